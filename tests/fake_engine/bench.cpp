// The upstream of benchmarks: precomputed bytes, one buffer per connection, nothing else.
#include <array>
#include <charconv>
#include <cstring>
#include <string>

#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "engine.hpp"

namespace fake {
namespace {

constexpr std::size_t kBodyBytes = 600;
constexpr int kChunks = 100;

std::string make_unary() {
    std::string body = R"({"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,)"
                       R"("model":"bench","choices":[{"index":0,"finish_reason":"stop",)"
                       R"("message":{"role":"assistant","content":")";
    const std::string tail = R"("}}],"usage":{"prompt_tokens":10,"completion_tokens":100,)"
                             R"("total_tokens":110}})";
    body.append(kBodyBytes - body.size() - tail.size(), 'x');
    body += tail;
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string framed(const std::string& data) {
    std::array<char, 16> size{};
    const auto end = std::to_chars(size.data(), size.data() + size.size(), data.size(), 16).ptr;
    return std::string(size.data(), end) + "\r\n" + data + "\r\n";
}

struct Bytes {
    const std::string unary = make_unary();
    const std::string models = [] {
        const std::string body = R"({"object":"list","data":[{"id":"bench","object":"model"}]})";
        return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
               std::to_string(body.size()) + "\r\n\r\n" + body;
    }();
    const std::string stream_head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                    "Transfer-Encoding: chunked\r\n\r\n";
    const std::string chunk = framed(
        "data: "
        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
        "\"model\":\"bench\",\"choices\":[{\"index\":0,\"finish_reason\":null,"
        "\"delta\":{\"content\":\" token\"}}]}\n\n"
    );
    const std::string stream_end = framed("data: [DONE]\n\n") + "0\r\n\r\n";
};

const Bytes kBytes;

bool send_all(int fd, std::string_view data) {
    while (!data.empty()) {
        const ssize_t n = ::send(fd, data.data(), data.size(), MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        data.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

bool send_stream(int fd, long chunk_us) {
    bool good = send_all(fd, kBytes.stream_head);
    for (int i = 0; good && i < kChunks; ++i) {
        if (chunk_us > 0) {
            const timespec pause{
                .tv_sec = chunk_us / 1'000'000, .tv_nsec = chunk_us % 1'000'000 * 1000
            };
            ::nanosleep(&pause, nullptr);
        }
        good = send_all(fd, kBytes.chunk);
    }
    return good && send_all(fd, kBytes.stream_end);
}

// Where the request that starts the buffer ends; 0 while it is incomplete.
std::size_t request_size(std::string_view buffer) {
    const auto end = buffer.find("\r\n\r\n");
    if (end == std::string_view::npos) {
        return 0;
    }
    std::size_t length = 0;
    const std::string_view head = buffer.substr(0, end);
    for (auto line = head.find("\r\n"); line != std::string_view::npos;
         line = head.find("\r\n", line + 2)) {
        constexpr std::string_view kName = "content-length:";
        if (head.size() - line - 2 > kName.size() &&
            ::strncasecmp(head.data() + line + 2, kName.data(), kName.size()) == 0) {
            const char* digits = head.data() + line + 2 + kName.size();
            while (*digits == ' ') {
                ++digits;
            }
            std::from_chars(digits, head.data() + head.size(), length);
        }
    }
    return end + 4 + length <= buffer.size() ? end + 4 + length : 0;
}

bool wants_stream(std::string_view request) {
    return request.contains(R"("stream":true)") || request.contains(R"("stream": true)");
}

}  // namespace

void serve_bench(const Launch& launch, int fd) {
    static constexpr std::size_t kBuffer = 256 * 1024;
    std::string buffer(kBuffer, '\0');
    std::size_t filled = 0;
    for (bool open = true; open;) {
        const ssize_t n = ::recv(fd, buffer.data() + filled, kBuffer - filled, 0);
        if (n <= 0) {
            break;
        }
        filled += static_cast<std::size_t>(n);
        for (std::size_t size = request_size({buffer.data(), filled}); open && size > 0;
             size = request_size({buffer.data(), filled})) {
            const std::string_view request(buffer.data(), size);
            if (request.starts_with("GET ")) {
                open = send_all(fd, kBytes.models);
            } else if (wants_stream(request)) {
                open = send_stream(fd, launch.bench_chunk_us);
            } else {
                open = send_all(fd, kBytes.unary);
            }
            std::memmove(buffer.data(), buffer.data() + size, filled - size);
            filled -= size;
        }
    }
    ::close(fd);
}

}  // namespace fake

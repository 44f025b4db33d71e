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

std::string padded(std::string body, const std::string& tail) {
    body.append(kBodyBytes - body.size() - tail.size(), 'x');
    return body + tail;
}

std::string framed(const std::string& data) {
    std::array<char, 16> size{};
    const auto end = std::to_chars(size.data(), size.data() + size.size(), data.size(), 16).ptr;
    return std::string(size.data(), end) + "\r\n" + data + "\r\n";
}

std::string json_answer(const std::string& body) {
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n\r\n" + body;
}

// What one surface says; the same amount of content in each.
struct Bytes {
    std::string unary;
    std::string models;
    std::string stream_head;
    std::string chunk;
    std::string stream_end;
};

Bytes openai_bytes() {
    return {
        .unary = json_answer(padded(
            R"({"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,)"
            R"("model":"bench","choices":[{"index":0,"finish_reason":"stop",)"
            R"("message":{"role":"assistant","content":")",
            R"("}}],"usage":{"prompt_tokens":10,"completion_tokens":100,)"
            R"("total_tokens":110}})"
        )),
        .models = json_answer(R"({"object":"list","data":[{"id":"bench","object":"model"}]})"),
        .stream_head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n",
        .chunk = framed("data: "
                        "{\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\","
                        "\"created\":1700000000,\"model\":\"bench\",\"choices\":[{\"index\":0,"
                        "\"finish_reason\":null,\"delta\":{\"content\":\" token\"}}]}\n\n"),
        .stream_end = framed("data: [DONE]\n\n") + "0\r\n\r\n",
    };
}

Bytes ollama_bytes() {
    const std::string begin = R"({"model":"bench:latest","created_at":"2026-01-01T00:00:00Z",)"
                              R"("message":{"role":"assistant","content":")";
    const std::string last = R"("},"done":true,"done_reason":"stop","total_duration":1000000,)"
                             R"("prompt_eval_count":10,"eval_count":100})";
    return {
        .unary = json_answer(padded(begin, last)),
        .models = json_answer(
            R"({"version":"0.17.4","models":[{"name":"bench:latest","model":"bench:latest",)"
            R"("size":1000,"digest":"0","details":{"format":"gguf","family":"llama"},)"
            R"("capabilities":["completion"]}],"capabilities":["completion"],"status":"success"})"
        ),
        .stream_head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
                       "Transfer-Encoding: chunked\r\n\r\n",
        .chunk = framed(begin + " token\"},\"done\":false}\n"),
        .stream_end = framed(begin + last + "\n") + "0\r\n\r\n",
    };
}

const Bytes kOpenai = openai_bytes();
const Bytes kOllama = ollama_bytes();

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

bool send_stream(int fd, const Bytes& bytes, long chunk_us) {
    bool good = send_all(fd, bytes.stream_head);
    for (int i = 0; good && i < kChunks; ++i) {
        if (chunk_us > 0) {
            const timespec pause{
                .tv_sec = chunk_us / 1'000'000, .tv_nsec = chunk_us % 1'000'000 * 1000
            };
            ::nanosleep(&pause, nullptr);
        }
        good = send_all(fd, bytes.chunk);
    }
    return good && send_all(fd, bytes.stream_end);
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

// Everything else is somebody who wants to know what is here.
bool is_generation(std::string_view request) {
    return request.starts_with("POST /v1/chat/") || request.starts_with("POST /api/chat ");
}

// Ollama streams unless it is told not to, but every client here says.
bool wants_stream(std::string_view request) {
    return request.contains(R"("stream":true)") || request.contains(R"("stream": true)");
}

}  // namespace

void serve_bench(const Launch& launch, int fd) {
    static constexpr std::size_t kBuffer = 256 * 1024;
    const Bytes& bytes = launch.surface == "ollama" ? kOllama : kOpenai;
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
            if (!is_generation(request)) {
                open = send_all(fd, bytes.models);
            } else if (wants_stream(request)) {
                open = send_stream(fd, bytes, launch.bench_chunk_us);
            } else {
                open = send_all(fd, bytes.unary);
            }
            std::memmove(buffer.data(), buffer.data() + size, filled - size);
            filled -= size;
        }
    }
    ::close(fd);
}

}  // namespace fake

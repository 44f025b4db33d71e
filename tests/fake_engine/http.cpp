// Reads requests and writes answers on a blocking socket; notices a peer that leaves.
#include "http.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>

#include <openssl/evp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace fake {
namespace {

constexpr std::size_t kHeadLimit = 256 * 1024;
constexpr std::size_t kBodyLimit = 512 * 1024 * 1024;

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](unsigned char c) {
        return static_cast<char>(std::tolower(c));
    });
    return text;
}

std::string trim(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) {
        return "";
    }
    return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
}

}  // namespace

std::string sha256_hex(std::string_view data) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    EVP_Digest(data.data(), data.size(), digest.data(), &size, EVP_sha256(), nullptr);
    static constexpr char kHex[] = "0123456789abcdef";
    std::string text;
    for (unsigned int i = 0; i < size; ++i) {
        text += kHex[digest[i] >> 4];
        text += kHex[digest[i] & 15];
    }
    return text;
}

std::string_view reason_of(int status) {
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 404:
        return "Not Found";
    case 429:
        return "Too Many Requests";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    default:
        return "Status";
    }
}

Connection::~Connection() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

bool Connection::fill() {
    std::array<char, 65536> block;
    const ssize_t n = fd_ < 0 ? 0 : ::recv(fd_, block.data(), block.size(), 0);
    if (n <= 0) {
        return false;
    }
    buffer_.append(block.data(), static_cast<std::size_t>(n));
    return true;
}

bool Connection::take(std::size_t size, std::string& into) {
    while (size > 0) {
        if (buffer_.empty() && !fill()) {
            return false;
        }
        const std::size_t n = std::min(size, buffer_.size());
        into.append(buffer_, 0, n);
        buffer_.erase(0, n);
        size -= n;
    }
    return true;
}

bool Connection::take_line(std::string& line) {
    auto end = buffer_.find("\r\n");
    while (end == std::string::npos) {
        if (buffer_.size() > kHeadLimit || !fill()) {
            return false;
        }
        end = buffer_.find("\r\n");
    }
    line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    return true;
}

bool Connection::read_request(Request& request) {
    request = {};
    extra_headers_.clear();
    chunked_ = false;
    std::string line;
    if (!take_line(line)) {
        return false;
    }
    const auto first = line.find(' ');
    const auto last = line.rfind(' ');
    if (first == std::string::npos || first == last ||
        !line.substr(last + 1).starts_with("HTTP/1.")) {
        return false;
    }
    request.method = line.substr(0, first);
    request.path = line.substr(first + 1, last - first - 1);
    const bool http10 = line.ends_with("1.0");
    if (const auto mark = request.path.find('?'); mark != std::string::npos) {
        request.query = request.path.substr(mark + 1);
        request.path.resize(mark);
    }
    while (take_line(line) && !line.empty()) {
        const auto colon = line.find(':');
        if (colon == std::string::npos) {
            return false;
        }
        request.headers[lower(line.substr(0, colon))] =
            trim(std::string_view(line).substr(colon + 1));
    }
    const std::string connection = lower(request.headers["connection"]);
    request.keep_alive = connection != "close" && (!http10 || connection == "keep-alive");
    keep_alive_ = request.keep_alive;
    if (lower(request.headers["expect"]) == "100-continue") {
        write("HTTP/1.1 100 Continue\r\n\r\n");
    }
    if (!read_body(request)) {
        return false;
    }
    request.body_sha256 = sha256_hex(request.body);
    return true;
}

bool Connection::read_body(Request& request) {
    if (lower(request.headers["transfer-encoding"]) != "chunked") {
        const auto size = std::strtoull(request.headers["content-length"].c_str(), nullptr, 10);
        return size <= kBodyLimit && take(size, request.body);
    }
    std::string line;
    for (;;) {
        if (!take_line(line)) {
            return false;
        }
        const auto size = std::strtoull(line.c_str(), nullptr, 16);
        if (size == 0) {
            break;
        }
        if (request.body.size() + size > kBodyLimit || !take(size, request.body) ||
            !take_line(line)) {
            return false;
        }
    }
    while (take_line(line)) {
        if (line.empty()) {
            return true;
        }
    }
    return false;
}

bool Connection::write(std::string_view data) {
    while (!data.empty()) {
        const ssize_t n = fd_ < 0 ? -1 : ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
        if (n <= 0) {
            keep_alive_ = false;
            return false;
        }
        data.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

void Connection::add_header(std::string_view name, std::string_view value) {
    extra_headers_.append(name).append(": ").append(value).append("\r\n");
}

std::string Connection::head(int status, std::string_view type) const {
    std::string text = "HTTP/1.1 " + std::to_string(status) + " ";
    text.append(reason_of(status)).append("\r\nContent-Type: ").append(type).append("\r\n");
    text += extra_headers_;
    if (!keep_alive_) {
        text += "Connection: close\r\n";
    }
    return text;
}

bool Connection::respond(int status, std::string_view type, std::string_view body) {
    std::string text = head(status, type);
    text += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
    text += body;
    return write(text);
}

bool Connection::begin_stream(std::string_view type, bool chunked) {
    chunked_ = chunked;
    if (!chunked) {
        keep_alive_ = false;
    }
    std::string text = head(200, type);
    text += chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n";
    return write(text);
}

bool Connection::stream(std::string_view data) {
    if (!chunked_) {
        return write(data);
    }
    std::array<char, 32> size{};
    const int n = std::snprintf(size.data(), size.size(), "%zx\r\n", data.size());
    std::string text(size.data(), static_cast<std::size_t>(n));
    text.append(data).append("\r\n");
    return write(text);
}

bool Connection::end_stream() {
    return chunked_ ? write("0\r\n\r\n") : true;
}

void Connection::reset() {
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    cut();
}

void Connection::cut() {
    keep_alive_ = false;
    if (fd_ >= 0) {
        ::close(fd_);
    }
    fd_ = -1;
}

bool Connection::wait(std::chrono::nanoseconds time) {
    const auto until = std::chrono::steady_clock::now() + time;
    for (;;) {
        const auto left = until - std::chrono::steady_clock::now();
        if (left <= std::chrono::nanoseconds(0)) {
            return !peer_gone();
        }
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
        const timespec limit{
            .tv_sec = seconds.count(),
            .tv_nsec = std::chrono::nanoseconds(left - seconds).count(),
        };
        pollfd watched{.fd = fd_, .events = POLLRDHUP, .revents = 0};
        if (::ppoll(&watched, 1, &limit, nullptr) > 0) {
            return false;
        }
    }
}

bool Connection::peer_gone() {
    pollfd watched{.fd = fd_, .events = POLLRDHUP, .revents = 0};
    return fd_ < 0 || ::poll(&watched, 1, 0) > 0;
}

}  // namespace fake

// The first byte chooses what the rest is: a request, a response, a chunked body. Whatever the
// bytes, a split parse gives what the whole parse gives.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "net/http_codec.hpp"

namespace nova::net {
namespace {

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

struct Decoded {
    bool broken = false;
    bool done = false;
    std::string data;
    std::size_t consumed = 0;
};

// Hands the text over in pieces whose sizes come from the text itself; piece 0: all at once.
Decoded decode(const Framing& framing, std::string_view text, std::size_t piece) {
    BodyDecoder decoder{framing};
    Decoded result;
    std::string buffer;
    std::size_t at = 0;
    while (at < text.size() && !decoder.done()) {
        const std::size_t size = piece == 0 ? text.size() : 1 + (piece * 31 + at * 7) % piece;
        buffer.append(text.substr(at, size));
        at += size;
        while (!buffer.empty()) {
            const auto step = decoder.next(buffer);
            if (!step) {
                result.broken = true;
                return result;
            }
            require(step->consumed <= buffer.size());
            require(step->data.size() <= step->consumed);
            result.data.append(step->data);
            result.consumed += step->consumed;
            buffer.erase(0, step->consumed);
            if (step->consumed == 0 || step->done) {
                break;
            }
        }
    }
    result.done = decoder.done();
    return result;
}

void check_body(const Framing& framing, std::string_view text) {
    const Decoded whole = decode(framing, text, 0);
    for (const std::size_t piece : {1U, 2U, 3U, 17U}) {
        const Decoded split = decode(framing, text, piece);
        require(split.broken == whole.broken);
        if (!whole.broken) {
            require(split.done == whole.done && split.data == whole.data);
            require(split.consumed == whole.consumed);
        }
    }
}

std::size_t head_end(std::string_view text) {
    constexpr HeadLimits kLimits{.bytes = 4096, .fields = 32};
    const auto whole = find_head_end(text, 0, kLimits);
    std::size_t scanned = 0;
    Result<std::size_t> split = std::size_t{0};
    for (std::size_t size = 0; size <= text.size() && split && *split == 0; ++size) {
        split = find_head_end(text.substr(0, size), scanned, kLimits);
        scanned = size;
    }
    // Byte by byte the head may end before the limit is broken by what follows it.
    require(!whole || (split && *split == *whole));
    return split.value_or(0);
}

bool is_clean(std::string_view text) {
    return text.find_first_of(std::string_view{"\r\n\0", 3}) == std::string_view::npos;
}

// What was read can be written, and means the same when read again.
template <class Head>
void check_fields(const Head& head) {
    std::string out;
    for (const HeaderView& field : head.headers) {
        require(is_clean(field.name) && is_clean(field.value));
        require(append_header(out, field.name, field.value));
    }
}

void check_request(std::string_view text) {
    const std::size_t end = head_end(text);
    const auto head = parse_request_head(text.substr(0, end));
    if (end == 0 || !head) {
        return;
    }
    require(is_clean(head->target) && is_clean(head->method));
    check_fields(*head);
    const auto framing = request_framing(*head);
    if (!framing) {
        return;
    }
    require(framing->kind != BodyKind::until_close);
    require(!(head->headers.has("Content-Length") && head->headers.has("Transfer-Encoding")));
    std::string again;
    append_request_line(again, head->method, head->target);
    for (const HeaderView& field : head->headers) {
        append_header(again, field.name, field.value);
    }
    append_head_end(again);
    require(find_head_end(again, 0, {}) == again.size());
    const auto reread = parse_request_head(again);
    require(reread && reread->headers.size() == head->headers.size());
    check_body(*framing, text.substr(end));
}

void check_response(std::string_view text) {
    const std::size_t end = head_end(text);
    const auto head = parse_response_head(text.substr(0, end));
    if (end == 0 || !head) {
        return;
    }
    check_fields(*head);
    const auto framing = response_framing(*head, "GET");
    if (framing) {
        check_body(*framing, text.substr(end));
    }
}

}  // namespace
}  // namespace nova::net

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace nova::net;
    if (size == 0) {
        return 0;
    }
    const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    switch (data[0] % 3) {
    case 0:
        check_request(text);
        break;
    case 1:
        check_response(text);
        break;
    default:
        check_body(Framing{.kind = BodyKind::chunked}, text);
        break;
    }
    return 0;
}

// HTTP/1.1 framing without I/O: strict for requests, tolerant but safe for responses (house.md 13).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.hpp"
#include "net/http_message.hpp"

namespace nova::net {

struct HeadLimits {
    std::size_t bytes = 64U * 1024U;  // reference/gateway.md 5, trap 25: long tokens must pass
    std::size_t fields = 256;
};

// Length of the message head at the front of bytes, blank line included; 0 when it is not complete.
// scanned: what an earlier call has looked at already. Error: too_large (431) beyond the limit.
Result<std::size_t>
find_head_end(std::string_view bytes, std::size_t scanned, const HeadLimits& limits);

// head: exactly what find_head_end measured. The result's views point into it. recycled: an older
// head whose memory is used again. Error: invalid_argument with the reason (RFC 9112 section).
Result<RequestHead> parse_request_head(std::string_view head, RequestHead recycled = {});
Result<ResponseHead> parse_response_head(std::string_view head, ResponseHead recycled = {});

enum class BodyKind : std::uint8_t { none, length, chunked, until_close };

struct Framing {
    BodyKind kind = BodyKind::none;
    std::uint64_t length = 0;      // for BodyKind::length
    bool keep_alive = true;        // may the connection carry another message after this one
    bool expect_continue = false;  // requests only
};

// Refuses every ambiguity: Content-Length twice or with Transfer-Encoding, codings other than a
// single final "chunked", chunked in HTTP/1.0, no or several Host. Error: invalid_argument;
// unsupported for a coding we do not know (501).
Result<Framing> request_framing(const RequestHead& head);
// request_method: HEAD answers have no body. Error: upstream_failed.
Result<Framing> response_framing(const ResponseHead& head, std::string_view request_method);

// Takes a body apart piece by piece; every split of the bytes gives the same data.
class BodyDecoder {
public:
    explicit BodyDecoder(const Framing& framing);

    struct Step {
        std::size_t consumed = 0;  // of the input's front
        std::string_view data;     // a view into the input; may be empty
        bool done = false;
    };

    // Call with what is buffered until consumed is 0 (needs more) or done.
    // Error: invalid_argument for broken chunked coding.
    Result<Step> next(std::string_view input);
    // The peer closed. Fine for until_close or a finished body, else unavailable: it was cut short.
    Result<void> end_of_input();

    bool done() const { return state_ == State::done; }

    // Body bytes known to follow (length framing); 0 when unknown.
    std::uint64_t remaining() const { return remaining_; }

private:
    enum class State : std::uint8_t {
        length,
        until_close,
        size,
        size_extension,
        size_lf,
        data,
        data_cr,
        data_lf,
        trailer_start,
        trailer_line,
        trailer_lf,
        last_lf,
        done
    };
    Result<Step> next_chunked(std::string_view input);
    Result<void> chunk_byte(char c);
    Result<void> size_line_byte(char c);
    Result<void> expect(char c, char wanted, State then, std::string_view complaint);

    State state_ = State::done;
    std::uint64_t remaining_ = 0;
    std::size_t digits_ = 0;
    std::size_t overhead_ = 0;  // extension and trailer bytes, limited
};

// "1a\r\n" of a chunk of this size; the chunk's data is followed by "\r\n", the body by
// "0\r\n\r\n".
struct ChunkSizeLine {
    std::array<char, 18> text{};
    std::size_t size = 0;

    std::string_view view() const { return {text.data(), size}; }
};

ChunkSizeLine chunk_size_line(std::size_t bytes);
inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

// Writing heads. Names and values are checked: a CR, LF or NUL never gets out (trap 100); such a
// field is left out and false returned.
void append_request_line(std::string& out, std::string_view method, std::string_view target);
void append_status_line(std::string& out, int status);  // with the standard reason
bool append_header(std::string& out, std::string_view name, std::string_view value);
void append_head_end(std::string& out);

// Standard reason phrase of a status; "" when there is none.
std::string_view reason_phrase(int status);

}  // namespace nova::net

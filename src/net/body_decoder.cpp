// A body taken apart byte by byte at the borders and in whole pieces between them, so that any
// split of the input gives the same data (RFC 9112 7.1).
#include <algorithm>

#include "net/http_codec.hpp"

namespace nova::net {
namespace {

constexpr std::size_t kSizeDigits = 16;
constexpr std::size_t kExtensionBytes = 8U * 1024U;
constexpr std::size_t kTrailerBytes = 16U * 1024U;

std::unexpected<Error> broken(std::string_view what) {
    return fail(ErrorCode::invalid_argument, "Broken chunked coding: " + std::string{what} + ".");
}

int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

bool is_control(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20U && c != '\t') || byte == 0x7fU;
}

}  // namespace

BodyDecoder::BodyDecoder(const Framing& framing) {
    switch (framing.kind) {
    case BodyKind::none:
        state_ = State::done;
        break;
    case BodyKind::length:
        state_ = framing.length == 0 ? State::done : State::length;
        remaining_ = framing.length;
        break;
    case BodyKind::chunked:
        state_ = State::size;
        break;
    case BodyKind::until_close:
        state_ = State::until_close;
        break;
    }
}

Result<BodyDecoder::Step> BodyDecoder::next(std::string_view input) {
    if (state_ == State::done) {
        return Step{.consumed = 0, .data = {}, .done = true};
    }
    if (state_ == State::until_close) {
        return Step{.consumed = input.size(), .data = input, .done = false};
    }
    if (state_ == State::length) {
        const auto size =
            static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, input.size()));
        remaining_ -= size;
        if (remaining_ == 0) {
            state_ = State::done;
        }
        return Step{.consumed = size, .data = input.substr(0, size), .done = done()};
    }
    return next_chunked(input);
}

Result<BodyDecoder::Step> BodyDecoder::next_chunked(std::string_view input) {
    Step step;
    while (step.consumed < input.size() && state_ != State::done) {
        if (state_ == State::data) {
            const std::size_t size = static_cast<std::size_t>(
                std::min<std::uint64_t>(remaining_, input.size() - step.consumed)
            );
            step.data = input.substr(step.consumed, size);
            step.consumed += size;
            remaining_ -= size;
            if (remaining_ == 0) {
                state_ = State::data_cr;
            }
            return step;
        }
        if (const auto taken = chunk_byte(input[step.consumed]); !taken) {
            return propagate(taken);
        }
        ++step.consumed;
    }
    step.done = done();
    return step;
}

// Everything but data.
Result<void> BodyDecoder::chunk_byte(char c) {
    switch (state_) {
    case State::size:
    case State::size_extension:
    case State::size_lf:
        return size_line_byte(c);
    case State::data_cr:
        return expect(c, '\r', State::data_lf, "a chunk longer than its size");
    case State::data_lf:
        return expect(c, '\n', State::size, "a chunk longer than its size");
    case State::trailer_start:
        if (c == '\r') {
            state_ = State::last_lf;
            return {};
        }
        state_ = State::trailer_line;
        [[fallthrough]];
    case State::trailer_line:
        if (c == '\r') {
            state_ = State::trailer_lf;
            return {};
        }
        if (is_control(c) || ++overhead_ > kTrailerBytes) {
            return broken("an invalid trailer");
        }
        return {};
    case State::trailer_lf:
        return expect(c, '\n', State::trailer_start, "a trailer without line end");
    case State::last_lf:
        return expect(c, '\n', State::done, "no line end behind the last chunk");
    case State::length:
    case State::until_close:
    case State::data:
    case State::done:
        break;
    }
    NOVA_CHECK(false);
}

// The size decides nothing until its line has ended.
Result<void> BodyDecoder::size_line_byte(char c) {
    if (state_ == State::size) {
        if (const int digit = hex_value(c); digit >= 0) {
            if (++digits_ > kSizeDigits) {
                return broken("the chunk size is too long");
            }
            remaining_ = remaining_ * 16 + static_cast<std::uint64_t>(digit);
            return {};
        }
        if (digits_ == 0) {
            return broken("a chunk without a size");
        }
        if (c == ';' || c == ' ' || c == '\t') {
            state_ = State::size_extension;
            return {};
        }
        return expect(c, '\r', State::size_lf, "an invalid chunk size");
    }
    if (state_ == State::size_extension) {
        if (c == '\r') {
            state_ = State::size_lf;
            return {};
        }
        // Counted over the whole body and paid back by data, so that a flood of tiny chunks with
        // long extensions ends (Go CVE-2023-39326).
        if (is_control(c) || ++overhead_ > kExtensionBytes) {
            return broken("an invalid chunk extension");
        }
        return {};
    }
    constexpr std::size_t kFree = 16;
    const auto data = std::min<std::uint64_t>(remaining_, kExtensionBytes);
    const bool last = remaining_ == 0;
    overhead_ = last ? 0 : overhead_ - std::min(overhead_, kFree + static_cast<std::size_t>(data));
    digits_ = 0;
    const State then = last ? State::trailer_start : State::data;
    return expect(c, '\n', then, "a chunk size without line end");
}

Result<void> BodyDecoder::expect(char c, char wanted, State then, std::string_view complaint) {
    if (c != wanted) {
        return broken(complaint);
    }
    state_ = then;
    return {};
}

Result<void> BodyDecoder::end_of_input() {
    if (state_ == State::done || state_ == State::until_close) {
        state_ = State::done;
        return {};
    }
    return fail(ErrorCode::unavailable, "The peer closed the connection inside a message body.");
}

}  // namespace nova::net

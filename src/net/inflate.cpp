// zlib behind a step-wise reader.
#include "net/inflate.hpp"

#include <array>
#include <limits>

#include <zlib.h>

#include "net/http_message.hpp"

namespace nova::net {
namespace {

// 15: the largest window there is; +32: gzip or zlib, whichever the first bytes say.
constexpr int kWindowAndEither = 15 + 32;
// Empty members cost time and give nothing; tools that split write one for 64 KiB or more.
constexpr int kMostMembers = 1024;

std::unexpected<Error> damaged() {
    return fail(
        ErrorCode::invalid_argument, "The compressed request body is damaged or incomplete."
    );
}

}  // namespace

Result<ContentCoding> content_coding(const Headers& headers) {
    const std::size_t fields = headers.count("Content-Encoding");
    const std::string_view coding = headers.find("Content-Encoding");
    if (fields == 0 || (fields == 1 && equal_ignoring_case(coding, "identity"))) {
        return ContentCoding::none;
    }
    for (const std::string_view known : {"gzip", "x-gzip", "deflate"}) {
        if (fields == 1 && equal_ignoring_case(coding, known)) {
            return ContentCoding::deflated;
        }
    }
    return fail(Error{
        .code = ErrorCode::invalid_argument,
        .message = "This Content-Encoding is not understood here.",
        .word = "unsupported_content_encoding",
        .remedy = "Send the request body uncompressed, or compressed with gzip.",
    });
}

struct Inflater::Impl {
    z_stream stream{};
    std::string_view rest;  // not handed to zlib yet: it counts in 32 bits
    std::array<char, kStepBytes> out{};
    int members = 0;
    bool done = false;

    // Hands over more where zlib has used up what it had.
    void refill() {
        if (stream.avail_in > 0 || rest.empty()) {
            return;
        }
        constexpr std::size_t kMost = std::numeric_limits<uInt>::max();
        const std::string_view some = rest.substr(0, kMost);
        // zlib does not write to its input, whatever the type says.
        stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(some.data()));
        stream.avail_in = static_cast<uInt>(some.size());
        rest.remove_prefix(some.size());
    }

    bool input_left() const { return stream.avail_in > 0 || !rest.empty(); }
};

Inflater::Inflater(std::string_view packed) : impl_{std::make_unique<Impl>()} {
    impl_->rest = packed;
    NOVA_CHECK(inflateInit2(&impl_->stream, kWindowAndEither) == Z_OK);
}

Inflater::~Inflater() {
    inflateEnd(&impl_->stream);
}

Result<std::string_view> Inflater::next() {
    Impl& impl = *impl_;
    z_stream& stream = impl.stream;
    stream.next_out = reinterpret_cast<Bytef*>(impl.out.data());
    stream.avail_out = static_cast<uInt>(impl.out.size());
    while (!impl.done && stream.avail_out > 0) {
        impl.refill();
        if (stream.avail_in == 0) {
            return damaged();  // cut
        }
        const int code = inflate(&stream, Z_NO_FLUSH);
        if (code == Z_STREAM_END) {
            impl.done = !impl.input_left();
            // Members of gzip may follow each other; anything else behind one is refused there.
            if (!impl.done && (++impl.members == kMostMembers || inflateReset(&stream) != Z_OK)) {
                return damaged();
            }
        } else if (code != Z_OK && !(code == Z_BUF_ERROR && stream.avail_out == 0)) {
            return damaged();
        }
    }
    return std::string_view{impl.out.data(), impl.out.size() - stream.avail_out};
}

}  // namespace nova::net

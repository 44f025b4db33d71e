// Compressed request bodies: whole, cut, damaged, and bombs.
#include <array>

#include <gtest/gtest.h>
#include <zlib.h>

#include "core/random.hpp"
#include "net/http_message.hpp"
#include "net/inflate.hpp"
#include "net/test_server.hpp"

namespace nova::net {
namespace {

using testing::RawClient;
using testing::run_on;
using testing::Server;

enum class Format : std::uint8_t { gzip, zlib, raw };

std::string deflated(std::string_view text, Format format = Format::gzip) {
    z_stream stream{};
    const int window = format == Format::gzip ? 31 : format == Format::zlib ? 15 : -15;
    EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY), Z_OK);
    std::string out(deflateBound(&stream, text.size()) + 64, '\0');
    std::string copy{text};
    stream.next_in = reinterpret_cast<Bytef*>(copy.data());
    stream.avail_in = static_cast<uInt>(copy.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.resize(out.size() - stream.avail_out);
    deflateEnd(&stream);
    return out;
}

// What it holds, or the word of the error; every piece is small.
std::string inflated(std::string_view packed) {
    Inflater inflater{packed};
    std::string all;
    while (true) {
        const auto piece = inflater.next();
        if (!piece) {
            return std::string{piece.error().name()};
        }
        EXPECT_LE(piece->size(), Inflater::kStepBytes);
        if (piece->empty()) {
            return all;
        }
        all.append(*piece);
    }
}

std::string noise(std::size_t size) {
    Random random{7};
    std::string text;
    while (text.size() < size) {
        text += static_cast<char>('a' + random.below(26));
    }
    return text;
}

TEST(Inflate, GivesWhatWasPacked) {
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, Inflater::kStepBytes - 1, Inflater::kStepBytes,
          Inflater::kStepBytes + 1, std::size_t{300'000}}) {
        const std::string text = noise(size);
        EXPECT_EQ(inflated(deflated(text)), text) << size;
        EXPECT_EQ(inflated(deflated(text, Format::zlib)), text) << size;
    }
    EXPECT_EQ(inflated(deflated("one ") + deflated("") + deflated("two")), "one two");
}

TEST(Inflate, RefusesWhatIsDamagedOrCut) {
    const std::string packed = deflated(noise(5000));
    for (std::size_t size = 0; size < packed.size(); ++size) {
        ASSERT_EQ(inflated(std::string_view{packed}.substr(0, size)), "invalid_argument") << size;
    }
    for (const std::size_t at : {0U, 1U, 100U, 2000U}) {
        std::string damaged = packed;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
        EXPECT_EQ(inflated(damaged), "invalid_argument") << at;
    }
    std::string checksum = packed;
    checksum[checksum.size() - 6] = static_cast<char>(checksum[checksum.size() - 6] ^ 1);
    EXPECT_EQ(inflated(checksum), "invalid_argument");
    EXPECT_EQ(inflated(packed + "{}"), "invalid_argument");
    EXPECT_EQ(inflated("{\"model\":\"m\"}"), "invalid_argument");
    EXPECT_EQ(inflated(deflated("raw", Format::raw)), "invalid_argument");
}

TEST(Inflate, EmptyMembersWithoutEndAreRefused) {
    std::string many;
    for (int i = 0; i < 5000; ++i) {
        many += deflated("");
    }
    EXPECT_EQ(inflated(many), "invalid_argument");
}

TEST(ContentCoding, KnowsGzipAndDeflateAndNothingElse) {
    const auto coding = [](std::initializer_list<std::string_view> values) {
        Headers headers;
        for (const std::string_view value : values) {
            headers.add("content-encoding", value);
        }
        const auto result = content_coding(headers);
        return !result                          ? std::string{result.error().name()}
               : *result == ContentCoding::none ? "none"
                                                : "deflated";
    };
    EXPECT_EQ(coding({}), "none");
    EXPECT_EQ(coding({"identity"}), "none");
    EXPECT_EQ(coding({"gzip"}), "deflated");
    EXPECT_EQ(coding({"GZip"}), "deflated");
    EXPECT_EQ(coding({"x-gzip"}), "deflated");
    EXPECT_EQ(coding({"deflate"}), "deflated");
    for (const std::string_view other : {"zstd", "br", "gzip, gzip", "gzip;q=1", ""}) {
        EXPECT_EQ(coding({other}), "unsupported_content_encoding") << other;
    }
    EXPECT_EQ(coding({"gzip", "gzip"}), "unsupported_content_encoding");
}

std::string post(std::string_view coding, std::string_view body) {
    return "POST /size HTTP/1.1\r\nHost: a\r\nContent-Encoding: " + std::string{coding} +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string{body};
}

// Trap 14: what the handler sees is the text, and a bomb ends at the limit for texts.
TEST(Inflate, BodiesReachTheHandlerUnpackedAndBombsDoNot) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        const auto budget = std::make_shared<BodyBudget>(150'000);
        ServerLimits limits;
        limits.body_bytes = 100'000;
        limits.body_budget = budget;
        Server server{io, limits};
        std::string seen;
        server.routes.add("POST", "/size", [&](Exchange& exchange) -> Task<void> {
            const auto body = co_await exchange.read_body(1U << 20U);
            seen = body.value_or("");
            if (body) {
                ignore(co_await exchange.respond(200, "text/plain", "{read}"), "a test");
            } else {
                ignore(co_await exchange.respond_error(body.error()), "a test");
            }
        });
        RawClient client = co_await RawClient::open(server.start());
        const std::string text = noise(90'000);
        co_await client.send(post("gzip", deflated(text)));
        EXPECT_TRUE((co_await client.read_until("}")).starts_with("HTTP/1.1 200 "));
        EXPECT_EQ(seen, text);
        const std::pair<std::string, std::string_view> rows[] = {
            {post("gzip", deflated(std::string(100'000, ' '))), "200"},
            {post("gzip", deflated(std::string(100'001, ' '))), "413"},
            {post("gzip", deflated(std::string(20U << 20U, ' '))), "413"},
            {post("gzip", "{}"), "400"},
            {post("gzip", ""), "200"},
            {post("zstd", "{}"), "400"},
            {post("identity", "{}"), "200"},
        };
        for (const auto& [message, status] : rows) {
            co_await client.send(message);
            const std::string answer = co_await client.read_until("}");
            EXPECT_EQ(answer.substr(9, 3), status) << answer;
            EXPECT_EQ(budget->held(), 0U);
        }
        client.connection().close();
        co_await server.stop();
    });
}

}  // namespace
}  // namespace nova::net

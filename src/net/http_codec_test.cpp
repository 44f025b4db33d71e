// Tables of what heads are accepted and refused.
#include <gtest/gtest.h>

#include "net/http_codec.hpp"

namespace nova::net {
namespace {

struct RequestRow {
    std::string_view name;
    std::string_view head;
    bool accepted;
    BodyKind kind = BodyKind::none;
    std::uint64_t length = 0;
    ErrorCode code = ErrorCode::invalid_argument;
};

Result<Framing> read_request(std::string_view text) {
    const auto end = find_head_end(text, 0, {});
    if (!end) {
        return propagate(end);
    }
    if (*end == 0) {
        return fail(ErrorCode::unavailable, "incomplete");
    }
    const auto head = parse_request_head(text.substr(0, *end));
    return head ? request_framing(*head) : Result<Framing>{propagate(head)};
}

using namespace std::string_view_literals;

constexpr RequestRow kRequests[] = {
    {"plain", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", true},
    {"query", "GET /v1/models?a=b%20c HTTP/1.1\r\nHost: a:8080\r\n\r\n", true},
    {"options asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", true},
    {"ipv6 host", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", true},
    {"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", true},
    {"old without host", "GET / HTTP/1.0\r\n\r\n", true},
    {"length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n", true, BodyKind::length, 5
    },
    {"length zero", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", true,
     BodyKind::length, 0},
    {"length leading zeros", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0005\r\n\r\n", true,
     BodyKind::length, 5},
    {"chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", true,
     BodyKind::chunked},
    {"chunked any case", "POST / HTTP/1.1\r\nhOST: a\r\ntransfer-ENCODING: \t CHUNKED \r\n\r\n",
     true, BodyKind::chunked},
    {"obs-text value", "GET / HTTP/1.1\r\nHost: a\r\nX: \xC3\xA4\r\n\r\n", true},
    {"tab in value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\tb\r\n\r\n", true},
    {"unusual method", "M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n", true},

    {"no host", "GET / HTTP/1.1\r\n\r\n", false},
    {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", false},
    {"two hosts in 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", false},
    {"host with space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", false},
    {"host with slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", false},
    {"host with user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", false},
    {"folded", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", false},
    {"folded first", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", false},
    {"bare cr in value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", false},
    {"bare cr in request line", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", false},
    {"double cr", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", false},
    {"bare lf line", "GET / HTTP/1.1\nHost: a\r\n\r\n", false},
    {"bare lf field", "GET / HTTP/1.1\r\nHost: a\n\r\n", false},
    {"bare lf end", "GET / HTTP/1.1\r\nHost: a\r\n\n", false},
    {"nul in value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"sv, false},
    {"nul in name", "GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n"sv, false},
    {"control in value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\x01\r\n\r\n", false},
    {"delete in value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\x7f\r\n\r\n", false},
    {"space before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", false},
    {"tab before colon", "GET / HTTP/1.1\r\nHost: a\r\nX\t: a\r\n\r\n", false},
    {"empty name", "GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n", false},
    {"no colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", false},
    {"name with bracket", "GET / HTTP/1.1\r\nHost: a\r\nX[: a\r\n\r\n", false},
    {"name beyond ascii", "GET / HTTP/1.1\r\nHost: a\r\n\xC3\xA4: a\r\n\r\n", false},
    {"method with space in front", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", false},
    {"invalid method", "G{T / HTTP/1.1\r\nHost: a\r\n\r\n", false},
    {"two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", false},
    {"space in target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", false},
    {"tab in target", "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", false},
    {"raw utf-8 target", "GET /\xC3\xA4 HTTP/1.1\r\nHost: a\r\n\r\n", false},
    {"absolute form", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", false},
    {"authority form", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", false},
    {"asterisk for get", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", false},
    {"version 2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", false},
    {"version 1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n", false},
    {"version 0.9", "GET /\r\n\r\n", false},
    {"version lower case", "GET / http/1.1\r\nHost: a\r\n\r\n", false},
    {"version with trail", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", false},
    {"http2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false},
    {"tls hello", "\x16\x03\x01\n\r\n"sv, false},
    {"two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
     false},
    {"two equal lengths",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n", false},
    {"length list", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", false},
    {"length plus", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", false},
    {"length minus", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", false},
    {"length hex", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", false},
    {"length empty", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", false},
    {"length inner space", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\n", false},
    {"length overflow",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551621\r\n\r\n", false},
    {"length and chunked",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
     false},
    {"chunked and length",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
     false},
    {"chunked twice", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
     false},
    {"chunked in two fields",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
     "chunked\r\n\r\n",
     false},
    {"chunked then identity",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n", false},
    {"empty coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", false},
    {"chunked in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", false},
    {"gzip", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", false, BodyKind::none,
     0, ErrorCode::unsupported},
    {"quoted chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n",
     false, BodyKind::none, 0, ErrorCode::unsupported},
    {"vertical tab chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \vchunked\r\n\r\n",
     false},
};

TEST(HttpCodec, ReadsARequestOneWayOrRefusesIt) {
    for (const RequestRow& row : kRequests) {
        SCOPED_TRACE(row.name);
        const auto framing = read_request(row.head);
        ASSERT_EQ(framing.has_value(), row.accepted) << (framing ? "" : framing.error().message);
        if (framing) {
            EXPECT_EQ(framing->kind, row.kind);
            EXPECT_EQ(framing->length, row.length);
        } else {
            EXPECT_EQ(framing.error().code, row.code) << framing.error().message;
        }
    }
}

TEST(HttpCodec, KeepsConnectionsAliveAsTheVersionAndTheTokensSay) {
    const auto alive = [](std::string_view head) { return read_request(head)->keep_alive; };
    EXPECT_TRUE(alive("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
    EXPECT_FALSE(alive("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    EXPECT_FALSE(alive("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n"));
    EXPECT_FALSE(alive("GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n"));
    EXPECT_FALSE(alive("GET / HTTP/1.0\r\n\r\n"));
    EXPECT_TRUE(alive("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

struct ResponseRow {
    std::string_view name;
    std::string_view head;
    std::string_view method;
    bool accepted;
    BodyKind kind = BodyKind::none;
    std::uint64_t length = 0;
    bool keep_alive = true;
};

constexpr ResponseRow kResponses[] = {
    {"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", true, BodyKind::length, 5},
    {"no reason", "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", "GET", true, BodyKind::length, 5},
    {"bare lf", "HTTP/1.1 200 OK\nContent-Length: 5\n\n", "GET", true, BodyKind::length, 5},
    {"equal lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nContent-Length: 5\r\n\r\n", "GET",
     true, BodyKind::length, 5},
    {"space before colon", "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n", "GET", true,
     BodyKind::length, 5},
    {"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", true,
     BodyKind::chunked},
    {"chunked with length",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", "GET", true,
     BodyKind::chunked, 0, false},
    {"chunked from 1.0",
     "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n", "GET", true,
     BodyKind::chunked, 0, false},
    {"until close", "HTTP/1.1 200 OK\r\n\r\n", "GET", true, BodyKind::until_close, 0, false},
    {"head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", true},
    {"head chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", true},
    {"204 with length", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "GET", true},
    {"304 with length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", true},
    {"control in value", "HTTP/1.1 200 OK\r\nX: \x01\r\nContent-Length: 0\r\n\r\n", "GET", true,
     BodyKind::length},
    {"close", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", "GET", true,
     BodyKind::length, 5, false},
    {"1.0 closes", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", "GET", true, BodyKind::length, 5,
     false},

    {"lengths differ", "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n", "GET", false},
    {"length fields differ", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
     "GET", false},
    {"length negative", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "GET", false},
    {"length empty item", "HTTP/1.1 200 OK\r\nContent-Length: 5,\r\n\r\n", "GET", false},
    {"gzip coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "GET", false},
    {"chunked twice",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
     "chunked\r\n\r\n",
     "GET", false},
    {"status two digits", "HTTP/1.1 20 OK\r\n\r\n", "GET", false},
    {"status four digits", "HTTP/1.1 2000 OK\r\n\r\n", "GET", false},
    {"status zero", "HTTP/1.1 000 OK\r\n\r\n", "GET", false},
    {"status 600", "HTTP/1.1 600 OK\r\n\r\n", "GET", false},
    {"version 2", "HTTP/2 200 OK\r\n\r\n", "GET", false},
    {"not http", "SSH-2.0-OpenSSH_9.2\r\n\r\n", "GET", false},
    {"nul", "HTTP/1.1 200 OK\r\nX: \0\r\n\r\n"sv, "GET", false},
    {"bare cr", "HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n", "GET", false},
    {"folded", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n", "GET", false},
};

TEST(HttpCodec, ReadsAResponseTolerantlyButSafely) {
    for (const ResponseRow& row : kResponses) {
        SCOPED_TRACE(row.name);
        const auto end = find_head_end(row.head, 0, {});
        ASSERT_TRUE(end && *end == row.head.size());
        const auto head = parse_response_head(row.head);
        const auto framing =
            head ? response_framing(*head, row.method) : Result<Framing>{propagate(head)};
        ASSERT_EQ(framing.has_value(), row.accepted) << (framing ? "" : framing.error().message);
        if (framing) {
            EXPECT_EQ(framing->kind, row.kind);
            EXPECT_EQ(framing->length, row.length);
            EXPECT_EQ(framing->keep_alive, row.keep_alive);
        }
    }
}

TEST(HttpCodec, FindsTheEndOfAHeadWhereverTheBytesAreSplit) {
    for (const std::string_view text :
         {"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest"sv, "GET / HTTP/1.1\nHost: a\n\nrest"sv,
          "GET / HTTP/1.1\r\nHost: a\n\r\nrest"sv}) {
        const std::size_t end = text.size() - 4;
        for (std::size_t first = 0; first < text.size(); ++first) {
            for (std::size_t second = first; second < text.size(); ++second) {
                std::size_t scanned = 0;
                std::size_t found = 0;
                for (const std::size_t size : {first, second, text.size()}) {
                    const auto result = find_head_end(text.substr(0, size), scanned, {});
                    ASSERT_TRUE(result.has_value());
                    scanned = size;
                    found = *result;
                    ASSERT_EQ(found, size >= end ? end : 0U) << first << " " << second;
                    if (found != 0) {
                        break;
                    }
                }
            }
        }
    }
}

TEST(HttpCodec, LimitsAHeadInBytesAndFields) {
    const HeadLimits limits{.bytes = 100, .fields = 3};
    EXPECT_EQ(find_head_end(std::string(100, 'a'), 0, limits), 0U);
    EXPECT_EQ(find_head_end(std::string(101, 'a'), 0, limits).error().code, ErrorCode::too_large);
    const std::string fields = "GET / HTTP/1.1\r\na: b\r\na: b\r\na: b\r\n";
    EXPECT_TRUE(find_head_end(fields + "\r\n", 0, limits).has_value());
    EXPECT_FALSE(find_head_end(fields + "a: b\r\n\r\n", 0, limits).has_value());
    const std::string token = "GET / HTTP/1.1\r\nHost: a\r\nA: " + std::string(60'000, 'x');
    EXPECT_EQ(*find_head_end(token + "\r\n\r\n", 0, {}), token.size() + 4);  // trap 25
}

TEST(HttpCodec, WritesChunkSizesInHex) {
    EXPECT_EQ(chunk_size_line(0).view(), "0\r\n");
    EXPECT_EQ(chunk_size_line(15).view(), "f\r\n");
    EXPECT_EQ(chunk_size_line(16).view(), "10\r\n");
    EXPECT_EQ(chunk_size_line(0xffff'ffff'ffff'ffffU).view(), "ffffffffffffffff\r\n");
}

TEST(HttpCodec, NeverLetsALineBreakOutInAHeader) {
    std::string out;
    EXPECT_TRUE(append_header(out, "A", "b"));
    EXPECT_FALSE(append_header(out, "A", "b\r\nX: y"));
    EXPECT_FALSE(append_header(out, "A", "b\ny"));
    EXPECT_FALSE(append_header(out, "A", std::string_view{"b\0", 2}));
    EXPECT_FALSE(append_header(out, "A\r\nB", "b"));
    EXPECT_FALSE(append_header(out, "", "b"));
    EXPECT_FALSE(append_header(out, "A b", "b"));
    EXPECT_EQ(out, "A: b\r\n");
}

// Values are looked at eight bytes at a time.
TEST(HttpCodec, SeesAControlCharacterWhereverItStandsInAValue) {
    for (std::size_t size = 1; size < 40; ++size) {
        for (std::size_t at = 0; at < size; ++at) {
            for (const char bad : {'\0', '\r', '\n'}) {
                std::string value(size, '\xff');
                value[at] = bad;
                std::string out;
                ASSERT_FALSE(append_header(out, "A", value)) << size << " " << at;
            }
            for (const char fine : {'\t', ' ', '\x01', '\x7f', '\x80', '~'}) {
                std::string value(size, 'v');
                value[at] = fine;
                std::string out;
                ASSERT_TRUE(append_header(out, "A", value)) << size << " " << at;
            }
        }
    }
}

// The string grows in many sizes: what it may hold is not what it holds.
TEST(HttpCodec, AHeaderIsAppendedWholeHoweverTheStringHasToGrow) {
    for (std::size_t before = 0; before < 70; ++before) {
        for (const std::size_t length : {0U, 1U, 10U, 40U, 500U}) {
            std::string out(before, '.');
            out.shrink_to_fit();
            ASSERT_TRUE(append_header(out, "Name", std::string(length, 'v')));
            append_head_end(out);
            ASSERT_EQ(
                out, std::string(before, '.') + "Name: " + std::string(length, 'v') + "\r\n\r\n"
            );
        }
    }
}

TEST(HttpCodec, KnowsTheReasonPhrases) {
    std::string out;
    append_status_line(out, 404);
    append_status_line(out, 299);
    EXPECT_EQ(out, "HTTP/1.1 404 Not Found\r\nHTTP/1.1 299 \r\n");
}

}  // namespace
}  // namespace nova::net

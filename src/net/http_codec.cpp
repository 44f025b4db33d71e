// Heads and framing (RFC 9112 2 to 6). Requests are refused where a second reader could understand
// them differently; responses are read as tolerantly as that allows.
#include "net/http_codec.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "core/text.hpp"

namespace nova::net {
namespace {

constexpr auto npos = std::string_view::npos;

constexpr std::array<bool, 256> make_token_table() {
    std::array<bool, 256> table{};
    for (const char c : std::string_view{"!#$%&'*+-.^_`|~0123456789"
                                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"}) {
        table[static_cast<unsigned char>(c)] = true;
    }
    return table;
}

using ByteSet = std::array<bool, 256>;

constexpr ByteSet kTokenChars = make_token_table();

// Looks at every byte: texts are short and nearly always good, so that leaving early would only
// cost a branch each.
bool all_in(const ByteSet& set, std::string_view text) {
    bool all = true;
    for (const char c : text) {
        all &= set[static_cast<unsigned char>(c)];
    }
    return all;
}

bool is_token(std::string_view text) {
    return !text.empty() && all_in(kTokenChars, text);
}

bool is_space(char c) {
    return c == ' ' || c == '\t';
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::unexpected<Error> malformed(std::string_view what) {
    return fail(ErrorCode::invalid_argument, "Malformed HTTP message: " + std::string{what} + ".");
}

enum class Strictness : std::uint8_t { request, response };

// What may stand in a value: RFC 9110 5.5. CR and NUL are always refused; other control characters
// in requests only, because some servers send them and they cannot move a border.
constexpr ByteSet make_value_table(Strictness strictness) {
    ByteSet table{};
    for (unsigned byte = 0; byte < table.size(); ++byte) {
        const bool border = byte == 0 || byte == '\r' || byte == '\n';
        const bool control = (byte < 0x20U && byte != '\t') || byte == 0x7fU;
        table[byte] = !border && !(strictness == Strictness::request && control);
    }
    return table;
}

constexpr ByteSet kRequestValueChars = make_value_table(Strictness::request);
constexpr ByteSet kResponseValueChars = make_value_table(Strictness::response);

// Nothing below a space and no DEL, as in nearly every text: looked at eight bytes at a time. A
// byte is below n when subtracting n borrows from its top bit.
bool is_plain(std::string_view text) {
    constexpr std::uint64_t kOnes = 0x0101010101010101U;
    constexpr std::uint64_t kTops = kOnes * 0x80U;
    constexpr std::size_t kStep = sizeof(std::uint64_t);
    if (text.size() < kStep) {
        return all_in(kRequestValueChars, text);
    }
    std::uint64_t borrowed = 0;
    for (std::size_t at = 0;; at = std::min(at + kStep, text.size() - kStep)) {
        std::uint64_t bytes = 0;
        std::memcpy(&bytes, text.data() + at, kStep);
        const std::uint64_t without_del = bytes ^ (kOnes * 0x7fU);
        borrowed |= (bytes - kOnes * 0x20U) & ~bytes;
        borrowed |= (without_del - kOnes) & ~without_del;
        if (at + kStep == text.size()) {
            return (borrowed & kTops) == 0;
        }
    }
}

// Takes the line in front of text, without its end; the caller knows that a '\n' follows.
Result<std::string_view> take_line(std::string_view& text, Strictness strictness) {
    const auto lf = text.find('\n');
    if (lf == npos) {
        return malformed("the head does not end (RFC 9112, 2.1)");
    }
    std::string_view line = text.substr(0, lf);
    text.remove_prefix(lf + 1);
    if (line.ends_with('\r')) {
        line.remove_suffix(1);
    } else if (strictness == Strictness::request) {
        return malformed("a line ends without CR (RFC 9112, 2.2)");
    }
    return line;
}

bool is_field_value(std::string_view value, Strictness strictness) {
    const bool request = strictness == Strictness::request;
    return is_plain(value) || all_in(request ? kRequestValueChars : kResponseValueChars, value);
}

Result<void> parse_field(std::string_view line, Strictness strictness, Headers& into) {
    if (is_space(line.front())) {
        return malformed("a folded header line (RFC 9112, 5.2)");
    }
    const auto colon = line.find(':');
    if (colon == npos) {
        return malformed("a header line without a colon (RFC 9112, 5)");
    }
    std::string_view name = line.substr(0, colon);
    if (strictness == Strictness::response) {
        // RFC 9112 5.1: a proxy removes such white space from a response, a server refuses it.
        name = trimmed(name, kHttpBlanks);
    }
    if (!is_token(name)) {
        return malformed("an invalid header name (RFC 9112, 5.1)");
    }
    const std::string_view value = trimmed(line.substr(colon + 1), kHttpBlanks);
    if (!is_field_value(value, strictness)) {
        return malformed("a control character in a header value (RFC 9110, 5.5)");
    }
    into.add(name, value);
    return {};
}

Result<void> parse_fields(std::string_view text, Strictness strictness, Headers& into) {
    while (true) {
        const auto line = take_line(text, strictness);
        if (!line) {
            return propagate(line);
        }
        if (line->empty()) {
            return text.empty() ? Result<void>{}
                                : Result<void>{malformed("bytes behind the end of the head")};
        }
        if (const auto parsed = parse_field(*line, strictness, into); !parsed) {
            return propagate(parsed);
        }
    }
}

// "HTTP/1.0" or "HTTP/1.1"; -1 for anything else.
int minor_version_of(std::string_view version) {
    if (version == "HTTP/1.1") {
        return 1;
    }
    return version == "HTTP/1.0" ? 0 : -1;
}

bool is_request_target(std::string_view target) {
    return std::all_of(target.begin(), target.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

// Digits only: std::from_chars would do, but "+5", "5," and "0x5" have to be refused as well.
std::optional<std::uint64_t> parse_length(std::string_view text) {
    constexpr std::size_t kDigits = 18;  // below 2^63, no overflow possible
    if (text.empty() || text.size() > kDigits || !std::all_of(text.begin(), text.end(), is_digit)) {
        return std::nullopt;
    }
    std::uint64_t value = 0;
    for (const char c : text) {
        value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return value;
}

// How often the fields that frame a message occur: found in one pass, as most heads have few.
struct FramingFields {
    explicit FramingFields(const Headers& headers) {
        for (const HeaderView& field : headers) {
            count(field.name, "Host", hosts);
            count(field.name, "Expect", expects);
            count(field.name, "Connection", connections);
            count(field.name, "Content-Length", lengths);
            count(field.name, "Transfer-Encoding", codings);
        }
    }

    static void count(std::string_view name, std::string_view wanted, std::size_t& into) {
        into += equal_ignoring_case(name, wanted) ? 1U : 0U;
    }

    std::size_t hosts = 0;
    std::size_t expects = 0;
    std::size_t connections = 0;
    std::size_t lengths = 0;
    std::size_t codings = 0;
};

bool keeps_alive(int minor_version, const Headers& headers, const FramingFields& fields) {
    if (fields.connections == 0) {
        return minor_version >= 1;
    }
    if (headers.has_token("Connection", "close")) {
        return false;
    }
    return minor_version >= 1 || headers.has_token("Connection", "keep-alive");
}

constexpr ByteSet make_host_table() {
    ByteSet table{};
    for (const char c : std::string_view{"-._~%!$&'()*+,;=:[]0123456789"
                                         "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"}) {
        table[static_cast<unsigned char>(c)] = true;
    }
    return table;
}

constexpr ByteSet kHostChars = make_host_table();

Result<void> check_host(const RequestHead& head, std::size_t hosts) {
    if (hosts > 1) {
        return malformed("more than one Host (RFC 9112, 3.2)");
    }
    if (hosts == 0) {
        return head.minor_version == 0 ? Result<void>{}
                                       : Result<void>{malformed("no Host (RFC 9112, 3.2)")};
    }
    if (!all_in(kHostChars, head.headers.find("Host"))) {
        return malformed("an invalid Host (RFC 9112, 3.2)");
    }
    return {};
}

Result<void> check_request_coding(const RequestHead& head, const FramingFields& fields) {
    if (fields.lengths > 0) {
        return malformed("Content-Length beside Transfer-Encoding (RFC 9112, 6.1)");
    }
    if (head.minor_version == 0) {
        return malformed("Transfer-Encoding in HTTP/1.0 (RFC 9112, 6.1)");
    }
    if (fields.codings > 1) {
        return malformed("more than one Transfer-Encoding (RFC 9112, 6.3)");
    }
    const std::string_view coding = head.headers.find("Transfer-Encoding");
    if (equal_ignoring_case(coding, "chunked")) {
        return {};
    }
    if (coding.empty() || head.headers.has_token("Transfer-Encoding", "chunked")) {
        return malformed("a Transfer-Encoding other than chunked alone (RFC 9112, 6.3)");
    }
    return fail(
        ErrorCode::unsupported, "The request uses a Transfer-Encoding other than chunked.",
        "Send the body with Content-Length or with Transfer-Encoding: chunked."
    );
}

// Content-Length of a response: repeated equal values are one value (RFC 9112 6.3, 5).
Result<std::optional<std::uint64_t>> response_length(const Headers& headers) {
    std::optional<std::uint64_t> length;
    for (const HeaderView& field : headers) {
        if (!equal_ignoring_case(field.name, "Content-Length")) {
            continue;
        }
        std::string_view rest = field.value;
        while (true) {
            const auto comma = rest.find(',');
            const auto value = parse_length(trimmed(rest.substr(0, comma), kHttpBlanks));
            if (!value || (length && *length != *value)) {
                return fail(
                    ErrorCode::upstream_failed,
                    "The answer has an invalid or contradictory Content-Length."
                );
            }
            length = value;
            if (comma == npos) {
                break;
            }
            rest.remove_prefix(comma + 1);
        }
    }
    return length;
}

std::size_t line_ends(std::string_view text) {
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

}  // namespace

Result<std::size_t>
find_head_end(std::string_view bytes, std::size_t scanned, const HeadLimits& limits) {
    // The pattern is "\n\n" or "\n\r\n"; an earlier call may have seen its first two bytes.
    std::size_t at = scanned > 2 ? scanned - 2 : 0;
    std::size_t lines = at == 0 ? 0 : line_ends(bytes.substr(0, at));
    while (at < bytes.size()) {
        const void* found = std::memchr(bytes.data() + at, '\n', bytes.size() - at);
        if (found == nullptr) {
            break;
        }
        at = static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
        std::size_t end = at + 1;
        if (end < bytes.size() && bytes[end] == '\r') {
            ++end;
        }
        if (end >= bytes.size()) {
            break;
        }
        ++lines;
        if (bytes[end] != '\n') {
            ++at;
            continue;
        }
        ++lines;
        if (end + 1 > limits.bytes || lines > limits.fields + 2) {
            return fail(ErrorCode::too_large, "The message head is too large.");
        }
        return end + 1;
    }
    if (bytes.size() > limits.bytes) {
        return fail(ErrorCode::too_large, "The message head is too large.");
    }
    return std::size_t{0};
}

Result<RequestHead> parse_request_head(std::string_view head, RequestHead recycled) {
    recycled.headers.clear();
    const auto line = take_line(head, Strictness::request);
    if (!line) {
        return propagate(line);
    }
    const auto first = line->find(' ');
    const auto second = first == npos ? npos : line->find(' ', first + 1);
    if (second == npos) {
        return malformed("an incomplete request line (RFC 9112, 3)");
    }
    recycled.method = line->substr(0, first);
    recycled.target = line->substr(first + 1, second - first - 1);
    recycled.minor_version = minor_version_of(line->substr(second + 1));
    if (!is_token(recycled.method)) {
        return malformed("an invalid method (RFC 9110, 9.1)");
    }
    const bool asterisk = recycled.method == "OPTIONS" && recycled.target == "*";
    if (!asterisk && !recycled.target.starts_with('/')) {
        return malformed("a target that is not a path (RFC 9112, 3.2)");
    }
    if (!is_request_target(recycled.target)) {
        return malformed("an invalid character in the target (RFC 9112, 3.2)");
    }
    if (recycled.minor_version < 0) {
        return malformed("a version other than HTTP/1.0 and HTTP/1.1 (RFC 9112, 2.3)");
    }
    if (const auto fields = parse_fields(head, Strictness::request, recycled.headers); !fields) {
        return propagate(fields);
    }
    return recycled;
}

Result<ResponseHead> parse_response_head(std::string_view head, ResponseHead recycled) {
    recycled.headers.clear();
    const auto line = take_line(head, Strictness::response);
    if (!line) {
        return propagate(line);
    }
    constexpr std::size_t kVersion = 8;
    recycled.minor_version = minor_version_of(line->substr(0, kVersion));
    const std::string_view rest = line->size() > kVersion ? line->substr(kVersion + 1) : "";
    if (recycled.minor_version < 0 || line->size() <= kVersion || (*line)[kVersion] != ' ') {
        return malformed("not an HTTP/1.x status line (RFC 9112, 4)");
    }
    const bool digits = rest.size() >= 3 && std::all_of(rest.begin(), rest.begin() + 3, is_digit);
    if (!digits || rest[0] == '0' || rest[0] > '5' || (rest.size() > 3 && rest[3] != ' ')) {
        return malformed("an invalid status (RFC 9112, 4)");
    }
    recycled.status = (rest[0] - '0') * 100 + (rest[1] - '0') * 10 + (rest[2] - '0');
    recycled.reason = rest.size() > 4 ? rest.substr(4) : std::string_view{};
    if (!is_field_value(recycled.reason, Strictness::response)) {
        return malformed("a control character in the reason (RFC 9112, 4)");
    }
    if (const auto fields = parse_fields(head, Strictness::response, recycled.headers); !fields) {
        return propagate(fields);
    }
    return recycled;
}

Result<Framing> request_framing(const RequestHead& head) {
    const FramingFields fields{head.headers};
    if (const auto host = check_host(head, fields.hosts); !host) {
        return propagate(host);
    }
    Framing framing;
    framing.keep_alive = keeps_alive(head.minor_version, head.headers, fields);
    framing.expect_continue = fields.expects > 0 && head.minor_version >= 1 &&
                              head.headers.has_token("Expect", "100-continue");
    if (fields.codings > 0) {
        if (const auto coding = check_request_coding(head, fields); !coding) {
            return propagate(coding);
        }
        framing.kind = BodyKind::chunked;
        return framing;
    }
    if (fields.lengths > 1) {
        return malformed("more than one Content-Length (RFC 9112, 6.3)");
    }
    if (fields.lengths == 1) {
        const auto length = parse_length(head.headers.find("Content-Length"));
        if (!length) {
            return malformed("an invalid Content-Length (RFC 9112, 6.3)");
        }
        framing.kind = BodyKind::length;
        framing.length = *length;
    }
    return framing;
}

Result<Framing> response_framing(const ResponseHead& head, std::string_view request_method) {
    Framing framing;
    const FramingFields fields{head.headers};
    framing.keep_alive = keeps_alive(head.minor_version, head.headers, fields);
    const auto length = response_length(head.headers);
    if (!length) {
        return propagate(length);
    }
    if (request_method == "HEAD" || head.status < 200 || head.status == 204 || head.status == 304) {
        return framing;
    }
    if (fields.codings > 0) {
        if (fields.codings > 1 ||
            !equal_ignoring_case(head.headers.find("Transfer-Encoding"), "chunked")) {
            return fail(
                ErrorCode::upstream_failed,
                "The answer uses a Transfer-Encoding other than chunked."
            );
        }
        framing.kind = BodyKind::chunked;
        // Somebody between may have read it by the other framing: never use it again (6.3, 3).
        framing.keep_alive = framing.keep_alive && !*length && head.minor_version >= 1;
        return framing;
    }
    if (*length) {
        framing.kind = BodyKind::length;
        framing.length = **length;
        return framing;
    }
    framing.kind = BodyKind::until_close;
    framing.keep_alive = false;
    return framing;
}

ChunkSizeLine chunk_size_line(std::size_t bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    ChunkSizeLine line;
    std::size_t width = 1;
    for (std::size_t rest = bytes >> 4U; rest != 0; rest >>= 4U) {
        ++width;
    }
    for (std::size_t i = width; i > 0; --i) {
        line.text[i - 1] = kDigits[bytes & 15U];
        bytes >>= 4U;
    }
    line.text[width] = '\r';
    line.text[width + 1] = '\n';
    line.size = width + 2;
    return line;
}

void append_request_line(std::string& out, std::string_view method, std::string_view target) {
    out.append(method).append(" ").append(target).append(" HTTP/1.1\r\n");
}

void append_status_line(std::string& out, int status) {
    out.append("HTTP/1.1 ");
    out.push_back(static_cast<char>('0' + status / 100 % 10));
    out.push_back(static_cast<char>('0' + status / 10 % 10));
    out.push_back(static_cast<char>('0' + status % 10));
    out.append(" ").append(reason_phrase(status)).append("\r\n");
}

bool append_header(std::string& out, std::string_view name, std::string_view value) {
    if (!is_token(name) || !is_field_value(value, Strictness::response)) {
        return false;
    }
    const std::size_t before = out.size();
    const std::size_t after = before + name.size() + value.size() + 4;
    // The size it hands over is the capacity in libstdc++ 12.
    out.resize_and_overwrite(after, [&](char* data, std::size_t) {
        char* at = std::copy(name.begin(), name.end(), data + before);
        *at++ = ':';
        *at++ = ' ';
        at = std::copy(value.begin(), value.end(), at);
        *at++ = '\r';
        *at = '\n';
        return after;
    });
    return true;
}

void append_head_end(std::string& out) {
    out.append("\r\n");
}

}  // namespace nova::net

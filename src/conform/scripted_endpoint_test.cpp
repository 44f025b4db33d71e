// How the scripted endpoint reads and writes HTTP: strictly, or as its fault wants it.
#include <algorithm>
#include <charconv>
#include <optional>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>

#include "conform/scripted_endpoint.hpp"
#include "net/http_codec.hpp"

namespace nova::conform::testing {
namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kHeadLimit = 64U * 1024U;
constexpr std::uint64_t kBodyLimit = std::uint64_t{32} << 20U;
constexpr std::size_t kDrained = std::size_t{16} << 20U;

std::string lower(std::string_view text) {
    std::string result{text};
    std::ranges::transform(result, result.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    return result;
}

std::string refusal(std::string_view sentence) {
    return fmt::format(
        R"({{"error":{{"message":"{}","type":"invalid_request_error","param":null,"code":null}}}})",
        sentence
    );
}

// Everything in small chunks, so that events and characters are cut.
std::string in_chunks(std::string_view body, std::size_t size) {
    std::string out;
    for (std::size_t i = 0; i < body.size(); i += size) {
        const std::string_view piece = body.substr(i, size);
        out += fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
    }
    return out;
}

}  // namespace

std::string Heard::field(const std::string& name) const {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string{} : found->second;
}

struct ScriptedEndpoint::Session {
    asio::ip::tcp::socket socket;
    Script& script;
    std::string buffer{};
    std::size_t requests = 0;
    bool streamed_before = false;

    // Bytes read; 0 when the client is gone or sends no more.
    Task<std::size_t> read() {
        std::string piece(16384, '\0');
        const auto [error, size] = co_await socket.async_read_some(asio::buffer(piece), kAwait);
        if (error) {
            co_return 0;
        }
        buffer.append(piece, 0, size);
        co_return size;
    }

    Task<bool> write(std::string bytes) {
        const auto [error, size] = co_await asio::async_write(socket, asio::buffer(bytes), kAwait);
        static_cast<void>(size);
        co_return !error;
    }

    // A last answer to somebody who may still be sending: without this it would be a reset.
    Task<void> refuse(int status, std::string_view sentence) {
        const std::string body = refusal(sentence);
        co_await write(fmt::format(
            "HTTP/1.1 {} No\r\nContent-Type: application/json\r\nContent-Length: {}\r\n"
            "Connection: close\r\n\r\n{}",
            status, body.size(), body
        ));
        boost::system::error_code ignored;
        socket.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
        std::size_t drained = 0;
        while (drained < kDrained) {
            buffer.clear();
            const std::size_t size = co_await read();
            if (size == 0) {
                break;
            }
            drained += size;
        }
    }

    // The head's text without its blank line; empty when the session is over.
    Task<std::string> read_head() {
        while (true) {
            const auto end = buffer.find("\r\n\r\n");
            if (end != std::string::npos) {
                std::string head = buffer.substr(0, end);
                buffer.erase(0, end + 4);
                co_return head;
            }
            if (buffer.size() > kHeadLimit) {
                if (!script.has("limits.huge-header")) {
                    co_await refuse(431, "The head is too large.");
                }
                co_return std::string{};
            }
            const bool fresh = buffer.empty();
            if (co_await read() == 0) {
                co_return std::string{};
            }
            if (fresh && buffer.size() < 16 && script.has("framing.split-writes")) {
                co_return std::string{};
            }
        }
    }

    struct Lengths {
        std::optional<std::uint64_t> declared{};
        bool twice = false;
        bool chunked = false;
    };

    static Lengths take_fields(std::string_view head, Heard& heard) {
        Lengths lengths;
        while (!head.empty()) {
            const auto end = head.find("\r\n");
            const std::string_view line = head.substr(0, end);
            head.remove_prefix(end == std::string_view::npos ? head.size() : end + 2);
            const auto colon = line.find(':');
            if (colon == std::string_view::npos) {
                continue;
            }
            const std::string name = lower(line.substr(0, colon));
            std::string_view value = line.substr(colon + 1);
            value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
            if (name == "content-length") {
                std::uint64_t number = 0;
                std::from_chars(value.data(), value.data() + value.size(), number);
                lengths.twice = lengths.twice || lengths.declared.has_value();
                lengths.declared = lengths.declared.value_or(number);
            }
            lengths.chunked = lengths.chunked || (name == "transfer-encoding");
            heard.fields[name] = value;
        }
        return lengths;
    }

    // False when the session is over.
    Task<bool> read_body(const Lengths& lengths, Heard& heard) {
        net::Framing framing;
        framing.kind = lengths.chunked ? net::BodyKind::chunked : net::BodyKind::length;
        framing.length = lengths.declared.value_or(0);
        if (!lengths.chunked && framing.length == 0) {
            co_return true;
        }
        net::BodyDecoder decoder{framing};
        while (!decoder.done()) {
            const auto step = decoder.next(buffer);
            if (!step) {
                co_return false;
            }
            heard.body += step->data;
            const std::size_t consumed = step->consumed;
            buffer.erase(0, consumed);
            if (consumed == 0 && !decoder.done() && co_await read() == 0) {
                co_return false;
            }
        }
        co_return true;
    }

    // What is refused before the body is read; true when it was.
    Task<bool> refused_by_head(const Lengths& lengths, const Heard& heard) {
        if (lengths.twice && !script.has("framing.duplicate-length")) {
            co_await refuse(400, "Two lengths.");
            co_return true;
        }
        if (lengths.declared && lengths.chunked && !script.has("framing.length-and-chunked")) {
            co_await refuse(400, "A length and chunks.");
            co_return true;
        }
        if (lengths.chunked && !lengths.declared && script.has("framing.chunked-request")) {
            co_await refuse(411, "A length is wanted.");
            co_return true;
        }
        if (lengths.declared.value_or(0) > kBodyLimit) {
            if (!script.has("limits.too-large")) {
                co_await refuse(413, "The body is too large.");
            }
            co_return true;
        }
        const bool long_field = std::ranges::any_of(heard.fields, [](const auto& field) {
            return field.second.size() > 8192;
        });
        if (long_field && script.has("limits.large-header")) {
            co_await refuse(431, "A field is too large.");
            co_return true;
        }
        if (heard.fields.contains("expect")) {
            if (script.has("framing.expect-continue")) {
                co_await refuse(417, "Nobody waits here.");
                co_return true;
            }
            co_await write("HTTP/1.1 100 Continue\r\n\r\n");
        }
        co_return false;
    }

    std::string head_of(const Heard& heard, const Said& said, bool keep, bool chunked) const {
        std::string head = fmt::format(
            "HTTP/1.1 {} Said\r\nContent-Type: {}\r\nDate: Mon, 23 Nov 2026 00:00:00 GMT\r\n",
            said.status, said.type
        );
        if (script.has("framing.single-fields")) {
            head += "Date: Mon, 23 Nov 2026 00:00:01 GMT\r\n";
        }
        if (script.has("framing.hop-by-hop")) {
            head += "Proxy-Connection: keep-alive\r\n";
        }
        if (script.has("limits.identity") && heard.field("accept-encoding") == "identity") {
            head += "Content-Encoding: gzip\r\n";
        }
        for (const auto& [name, value] : said.fields) {
            head += name + ": " + value + "\r\n";
        }
        head += chunked ? "Transfer-Encoding: chunked\r\n"
                        : fmt::format("Content-Length: {}\r\n", said.body.size());
        return head + (keep ? "\r\n" : "Connection: close\r\n\r\n");
    }

    // False when the session is over.
    Task<bool> say(const Heard& heard, const Said& said, bool keep) {
        if (said.drop) {
            co_return false;
        }
        const bool chunked = said.streamed || (heard.http_1_0 && script.has("framing.http-1.0"));
        std::string bytes = head_of(heard, said, keep, chunked);
        if (heard.method != "HEAD" || script.has("framing.head")) {
            bytes += chunked ? in_chunks(said.body, 11) : said.body;
            bytes += chunked && !said.waits_for_goodbye ? "0\r\n\r\n" : "";
            bytes += said.streamed && script.has("stream.keep-alive") ? "0\r\n\r\n" : "";
        }
        if (said.waits_for_goodbye) {
            if (said.streamed && !co_await write(std::move(bytes))) {
                co_return false;
            }
            while (co_await read() != 0) {
            }
            co_return false;
        }
        co_return co_await write(std::move(bytes)) && keep;
    }

    // One request; false when the session is over.
    Task<bool> exchange() {
        const std::string head = co_await read_head();
        if (head.empty()) {
            co_return false;
        }
        Heard heard;
        const auto line_end = std::min(head.find("\r\n"), head.size());
        const std::string line = head.substr(0, line_end);
        const auto first = line.find(' ');
        const auto second = line.find(' ', first + 1);
        heard.method = line.substr(0, first);
        heard.target = line.substr(first + 1, second - first - 1);
        heard.http_1_0 = line.ends_with("1.0");
        const Lengths lengths = take_fields(std::string_view{head}.substr(line_end), heard);
        if (co_await refused_by_head(lengths, heard)) {
            co_return false;
        }
        if (!co_await read_body(lengths, heard)) {
            co_return false;
        }
        const bool small_chat = heard.method == "POST" && !streamed_before;
        if (requests++ > 0 && ((small_chat && script.has("framing.keep-alive")) ||
                               (streamed_before && script.has("stream.stays-open")))) {
            co_return false;
        }
        const bool closing = heard.field("connection") == "close";
        if (closing && script.has("framing.half-close") && co_await read() == 0) {
            co_return false;
        }
        const Said said = script.answer(heard);
        streamed_before = said.streamed;
        const bool behind = !buffer.empty() && script.has("framing.pipelined");
        co_return co_await say(heard, said, !closing && !heard.http_1_0) && !behind;
    }
};

ScriptedEndpoint::ScriptedEndpoint(asio::io_context& io, std::string fault)
    : script_{std::move(fault)}, acceptor_{io}, group_{io.get_executor()} {}

Endpoint ScriptedEndpoint::start() {
    const asio::ip::tcp::endpoint at{asio::ip::address_v4::loopback(), 0};
    acceptor_.open(at.protocol());
    acceptor_.bind(at);
    acceptor_.listen();
    group_.spawn("accept", accept());
    return {.host = "127.0.0.1", .port = acceptor_.local_endpoint().port()};
}

Task<void> ScriptedEndpoint::stop() {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    group_.cancel();
    co_await group_.join();
}

Task<void> ScriptedEndpoint::accept() {
    while (true) {
        auto [error, socket] = co_await acceptor_.async_accept(kAwait);
        if (error) {
            co_return;
        }
        socket.set_option(asio::ip::tcp::no_delay{true});
        group_.spawn("session", serve(std::move(socket)));
    }
}

Task<void> ScriptedEndpoint::serve(asio::ip::tcp::socket socket) {
    Session session{.socket = std::move(socket), .script = script_};
    while (co_await session.exchange()) {
    }
}

}  // namespace nova::conform::testing

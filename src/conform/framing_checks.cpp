// How HTTP/1.1 messages are told apart: the traps that become security holes or hung clients.
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "conform/talk.hpp"
#include "conform/themes.hpp"
#include "core/json.hpp"

namespace nova::conform {
namespace {

constexpr std::string_view kServed = "HTTP 200 with the answer";

std::string small_chat(const Probe& probe) {
    return json_text(chat(probe, "Say hi.", 4));
}

Ask chat_ask(const Probe& probe, Fields headers = {}) {
    return {
        .method = "POST",
        .path = chat_path(probe.dialect),
        .body = small_chat(probe),
        .headers = std::move(headers)
    };
}

Verdict served(const Reply& reply) {
    return reply.ok() ? passed() : failed(told(reply), std::string{kServed});
}

// Bytes as they are, and one answer.
Task<Reply> raw(Probe& probe, std::string bytes, std::string method) {
    auto wire = co_await probe.connect();
    if (!wire) {
        co_return Reply{.trouble = wire.error().message};
    }
    ignore(co_await (*wire)->send(std::move(bytes)), "the answer says more");
    co_return co_await (*wire)->reply(std::move(method), probe.limits().answer);
}

Task<Verdict> split_writes(Probe& probe) {
    const std::string request = probe.request(chat_ask(probe));
    const auto body = request.find("\r\n\r\n") + 4;
    auto wire = co_await probe.connect();
    if (!wire) {
        co_return cannot_tell(wire.error().message);
    }
    std::vector<std::string> pieces{
        request.substr(0, 9), request.substr(9, body - 9 - 3), request.substr(body - 3, 8),
        request.substr(body + 5)
    };
    ignore(co_await (*wire)->send_slowly(std::move(pieces)), "the answer says more");
    co_return served(co_await (*wire)->reply("POST", probe.limits().answer));
}

Task<Verdict> chunked_request(Probe& probe) {
    Ask ask = chat_ask(probe);
    const std::string body = std::exchange(ask.body, {});
    std::string request =
        probe.head(ask) + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    const std::string_view front = std::string_view{body}.substr(0, 20);
    const std::string_view rest = std::string_view{body}.substr(20);
    request += fmt::format("{:x};ext=1\r\n{}\r\n", front.size(), front);
    request += fmt::format("{:X}\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n", rest.size(), rest);
    co_return served(co_await raw(probe, std::move(request), "POST"));
}

Task<Verdict> expect_continue(Probe& probe) {
    const std::string request = probe.request(chat_ask(probe, {{"Expect", "100-continue"}}));
    const auto body = request.find("\r\n\r\n") + 4;
    auto wire = co_await probe.connect();
    if (!wire) {
        co_return cannot_tell(wire.error().message);
    }
    ignore(co_await (*wire)->send(request.substr(0, body)), "the answer says more");
    const Reply first = co_await (*wire)->reply("POST", probe.limits().brief, Wire::Interim::tell);
    if (first.status != 100) {
        co_return failed(told(first), "HTTP 100 before the body is sent");
    }
    ignore(co_await (*wire)->send(request.substr(body)), "the answer says more");
    const Reply last = co_await (*wire)->reply("POST", probe.limits().answer);
    if (last.continues > 0) {
        co_return failed("HTTP 100 came twice", "one HTTP 100");
    }
    co_return served(last);
}

Task<Verdict> duplicate_length(Probe& probe) {
    const Ask ask = chat_ask(probe);
    std::string request = probe.head(ask);
    request += fmt::format(
        "Content-Type: application/json\r\nContent-Length: {}\r\nContent-Length: {}\r\n\r\n{}",
        ask.body.size(), ask.body.size() - 1, ask.body
    );
    const Reply reply = co_await raw(probe, std::move(request), "POST");
    if (reply.status >= 200 && reply.status < 300) {
        co_return failed(told(reply), "a refusal: nobody knows where the body ends (RFC 9112 6.3)");
    }
    co_return passed();
}

Task<Verdict> length_and_chunked(Probe& probe) {
    const Ask ask = chat_ask(probe);
    std::string request = probe.head(ask);
    request += fmt::format(
        "Content-Type: application/json\r\nContent-Length: 5\r\n"
        "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n",
        ask.body.size(), ask.body
    );
    const Reply reply = co_await raw(probe, std::move(request), "POST");
    if (reply.status >= 200 && reply.status < 300 && reply.keeps_open) {
        co_return failed(
            fmt::format("HTTP {}, and the connection goes on", reply.status),
            "a refusal, or the connection closed behind the answer (RFC 9112 6.1)"
        );
    }
    co_return passed();
}

Task<Verdict> single_fields(Probe& probe) {
    for (const bool with_body : {false, true}) {
        const Reply reply = with_body ? co_await send_chat(probe, small_chat(probe))
                                      : co_await probe.get(models_path(probe.dialect));
        for (const char* name : {"Date", "Server", "Content-Type", "Content-Length"}) {
            if (reply.count(name) > 1) {
                co_return failed(
                    fmt::format("{} comes {} times", name, reply.count(name)), "once at most"
                );
            }
        }
        if (reply.count("Content-Length") > 0 && reply.count("Transfer-Encoding") > 0) {
            co_return failed("Content-Length beside Transfer-Encoding", "one of them");
        }
    }
    co_return passed();
}

Task<Verdict> hop_by_hop(Probe& probe) {
    Ask ask{
        .path = models_path(probe.dialect),
        .headers =
            {{"Connection", "keep-alive, X-Conform-Hop"},
             {"X-Conform-Hop", "1"},
             {"Keep-Alive", "timeout=5"},
             {"TE", "trailers"}}
    };
    const Reply reply = co_await probe.ask(std::move(ask));
    for (const char* name :
         {"Proxy-Connection", "Proxy-Authenticate", "TE", "Trailer", "Upgrade", "X-Conform-Hop"}) {
        if (reply.count(name) > 0) {
            co_return failed(fmt::format("{} in the answer", name), "it ends at each hop");
        }
    }
    co_return served(reply);
}

Task<Verdict> head_without_body(Probe& probe) {
    auto wire = co_await probe.connect();
    if (!wire) {
        co_return cannot_tell(wire.error().message);
    }
    const std::string path = models_path(probe.dialect);
    Ask ask{.method = "HEAD", .path = path};
    ignore(co_await (*wire)->send(probe.request(ask)), "the answer says more");
    const Reply head = co_await (*wire)->reply("HEAD", probe.limits().brief);
    if (head.status == 0) {
        co_return failed(told(head), "an answer to HEAD");
    }
    if (!head.keeps_open) {
        co_return (*wire)->left_over() == 0 ? passed() : failed("a body", "a head without a body");
    }
    ask.method = "GET";
    ignore(co_await (*wire)->send(probe.request(ask)), "the answer says more");
    const Reply reply = co_await (*wire)->reply("GET", probe.limits().answer);
    co_return reply.ok() ? passed() : failed(told(reply) + " behind HEAD", "a head without a body");
}

Task<Verdict> http_1_0(Probe& probe) {
    std::string request = probe.request({.path = models_path(probe.dialect)});
    request.replace(request.find("HTTP/1.1"), 8, "HTTP/1.0");
    const Reply reply = co_await raw(probe, std::move(request), "GET");
    if (reply.in_chunks) {
        co_return failed("a chunked answer", "a length, or the end of the connection");
    }
    co_return served(reply);
}

Task<Verdict> pipelined(Probe& probe) {
    auto wire = co_await probe.connect();
    if (!wire) {
        co_return cannot_tell(wire.error().message);
    }
    const std::string request = probe.request({.path = models_path(probe.dialect)});
    ignore(co_await (*wire)->send(request + request), "the answers say more");
    const Reply first = co_await (*wire)->reply("GET", probe.limits().answer);
    if (!first.ok() || !first.keeps_open) {
        co_return first.ok() ? passed() : served(first);
    }
    co_return served(co_await (*wire)->reply("GET", probe.limits().answer));
}

Task<Verdict> keep_alive(Probe& probe) {
    auto wire = co_await probe.connect();
    if (!wire) {
        co_return cannot_tell(wire.error().message);
    }
    const std::string request = probe.request(chat_ask(probe));
    ignore(co_await (*wire)->send(request), "the answer says more");
    const Reply first = co_await (*wire)->reply("POST", probe.limits().answer);
    if (!first.ok() || !first.keeps_open) {
        co_return first.ok() ? passed() : served(first);
    }
    ignore(co_await (*wire)->send(request), "the answer says more");
    co_return served(co_await (*wire)->reply("POST", probe.limits().answer));
}

Task<Verdict> half_close(Probe& probe) {
    auto wire = co_await probe.connect();
    if (!wire) {
        co_return cannot_tell(wire.error().message);
    }
    const std::string request = probe.request(chat_ask(probe, {{"Connection", "close"}}));
    ignore(co_await (*wire)->send(request), "the answer says more");
    (*wire)->end_sending();
    co_return served(co_await (*wire)->reply("POST", probe.limits().answer));
}

}  // namespace

void add_framing(std::vector<Check>& checks) {
    using enum Severity;
    const auto add = [&checks](
                         std::string_view id, std::vector<unsigned> traps, Severity severity,
                         std::string_view expectation, Task<Verdict> (*run)(Probe&)
                     ) {
        checks.push_back({id, std::move(traps), {}, severity, expectation, run});
    };
    add("framing.split-writes", {1, 2}, must,
        "A request that comes in pieces, cut inside its head and body, is served.", split_writes);
    add("framing.chunked-request", {15, 24}, must,
        "A chunked body, with an extension and a trailer, is read like one with a length.",
        chunked_request);
    add("framing.expect-continue", {18}, should,
        "Expect: 100-continue is answered with one 100, then with the answer.", expect_continue);
    add("framing.duplicate-length", {15}, must,
        "Two Content-Length fields that differ are refused.", duplicate_length);
    add("framing.length-and-chunked", {15}, must,
        "Content-Length beside Transfer-Encoding is refused or ends the connection.",
        length_and_chunked);
    add("framing.single-fields", {15, 16}, must,
        "Date, Server, Content-Type and the framing come once in an answer.", single_fields);
    add("framing.hop-by-hop", {17}, must,
        "Fields of one hop stay on it; a request that names some is served.", hop_by_hop);
    add("framing.head", {23}, must,
        "HEAD has an answer without a body, and the connection goes on behind it.",
        head_without_body);
    add("framing.http-1.0", {15}, must, "An HTTP/1.0 client gets no chunks.", http_1_0);
    add("framing.pipelined", {28}, should,
        "Two requests in one write are answered one after the other.", pipelined);
    add("framing.keep-alive", {26}, must,
        "A connection that is not said to close takes a second request.", keep_alive);
    add("framing.half-close", {22}, info,
        "A client that closed its sending side behind the request still gets its answer.",
        half_close);
}

}  // namespace nova::conform

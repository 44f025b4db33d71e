// Requests as text, answers with what was odd about them.
#include "conform/probe.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace nova::conform {
namespace {

constexpr std::size_t kReadSize = 16U * 1024U;
constexpr std::size_t kTold = 160;

bool given(const Fields& fields, std::string_view name) {
    return std::ranges::any_of(fields, [name](const auto& field) {
        return net::equal_ignoring_case(field.first, name);
    });
}

std::string why(const Error& error, std::chrono::milliseconds patience) {
    if (error.code == ErrorCode::timeout) {
        return fmt::format(
            "nothing more came within {:.1f} s", std::chrono::duration<double>{patience}.count()
        );
    }
    return "the connection was reset";
}

}  // namespace

std::string_view Reply::header(std::string_view name) const {
    for (const auto& [own, value] : headers) {
        if (net::equal_ignoring_case(own, name)) {
            return value;
        }
    }
    return {};
}

std::size_t Reply::count(std::string_view name) const {
    return static_cast<std::size_t>(std::ranges::count_if(headers, [name](const auto& field) {
        return net::equal_ignoring_case(field.first, name);
    }));
}

std::string told(const Reply& reply) {
    std::string text = reply.status == 0 ? "no answer" : fmt::format("HTTP {}", reply.status);
    if (!reply.trouble.empty()) {
        text += ": " + reply.trouble;
    }
    if (!reply.body.empty()) {
        std::string body = reply.body.substr(0, kTold);
        std::ranges::replace_if(body, [](char c) { return c >= 0 && c < ' '; }, ' ');
        text += " " + body + (reply.body.size() > kTold ? "..." : "");
    }
    return text;
}

// ---- one connection

Wire::Wire(std::unique_ptr<net::Connection> connection, Clock& clock, ProbeLimits limits)
    : connection_{std::move(connection)}, clock_{clock}, limits_{limits} {}

Task<Result<void>> Wire::send(std::string bytes) {
    connection_->expire_at(Deadline::in(clock_, limits_.brief).at);
    co_return co_await connection_->write(bytes);
}

Task<Result<void>> Wire::send_slowly(std::vector<std::string> pieces) {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        if (i > 0) {
            co_await clock_.sleep_for(limits_.pause);
        }
        const auto sent = co_await send(std::move(pieces[i]));
        if (!sent) {
            co_return sent;
        }
    }
    co_return Result<void>{};
}

Task<Result<std::size_t>> Wire::fill() {
    std::string piece(kReadSize, '\0');
    const auto size = co_await connection_->read_some(piece);
    if (size) {
        buffer_.append(piece, 0, *size);
    }
    co_return size;
}

Task<bool> Wire::anything(std::chrono::milliseconds patience) {
    connection_->expire_at(Deadline::in(clock_, patience).at);
    if (buffer_.empty()) {
        const auto size = co_await fill();
        co_return size && *size > 0;
    }
    co_return true;
}

Task<bool> Wire::read_head(Reply& reply, std::string_view method) {
    while (true) {
        const auto size = net::find_head_end(buffer_, 0, {});
        if (!size) {
            reply.trouble = size.error().message;
            co_return false;
        }
        if (*size > 0) {
            const auto head = net::parse_response_head(std::string_view{buffer_}.substr(0, *size));
            if (!head) {
                reply.trouble = "that is no HTTP answer: " + head.error().message;
                co_return false;
            }
            reply.status = head->status;
            reply.headers.clear();
            for (const net::HeaderView& field : head->headers) {
                reply.headers.emplace_back(field.name, field.value);
            }
            const auto framing = net::response_framing(*head, method);
            if (!framing) {
                reply.trouble = framing.error().message;
            } else {
                framing_ = *framing;
            }
            buffer_.erase(0, *size);
            co_return framing.has_value();
        }
        const auto more = co_await fill();
        if (!more || *more == 0) {
            reply.trouble = more ? "the connection was closed" : why(more.error(), limits_.answer);
            co_return false;
        }
    }
}

Task<void> Wire::read_body(Reply& reply) {
    net::BodyDecoder decoder{framing_};
    while (!decoder.done()) {
        const auto step = decoder.next(buffer_);
        if (!step) {
            reply.trouble = step.error().message;
            co_return;
        }
        reply.body += step->data;
        buffer_.erase(0, step->consumed);
        if (reply.body.size() > limits_.body_bytes) {
            reply.trouble = "the answer does not end";
            co_return;
        }
        if (step->consumed > 0 || step->done) {
            continue;
        }
        const auto more = co_await fill();
        if (!more) {
            reply.trouble = why(more.error(), limits_.answer);
            co_return;
        }
        if (*more == 0) {
            if (!decoder.end_of_input()) {
                reply.trouble = "the answer was cut";
                co_return;
            }
            break;
        }
    }
    reply.complete = true;
}

Task<Reply> Wire::reply(std::string method, std::chrono::milliseconds patience, Interim interim) {
    limits_.answer = patience;  // for what a complaint says
    connection_->expire_at(Deadline::in(clock_, patience).at);
    Reply reply;
    while (true) {
        if (!co_await read_head(reply, method)) {
            co_return reply;
        }
        if (reply.status >= 200 || interim == Interim::tell) {
            break;
        }
        ++reply.continues;
        reply.status = 0;
    }
    if (reply.status < 200) {
        co_return reply;
    }
    reply.keeps_open = framing_.keep_alive;
    reply.in_chunks = framing_.kind == net::BodyKind::chunked;
    co_await read_body(reply);
    co_return reply;
}

// ---- requests

Probe::Probe(Clock& clock, net::TlsClient* tls, Target target, ProbeLimits limits)
    : clock_{clock}, tls_{tls}, target_{std::move(target)}, limits_{limits} {}

Task<Result<std::unique_ptr<Wire>>> Probe::connect() {
    auto connection =
        co_await net::dial(target_.endpoint, clock_, Deadline::in(clock_, limits_.brief), tls_);
    if (!connection) {
        lost_ = true;
        co_return propagate(connection);
    }
    co_return std::make_unique<Wire>(*std::move(connection), clock_, limits_);
}

Task<Result<void>> Probe::reachable() {
    const auto connection =
        co_await net::dial(target_.endpoint, clock_, Deadline::in(clock_, limits_.brief), tls_);
    if (!connection) {
        co_return propagate(connection);
    }
    co_return Result<void>{};
}

void Probe::add_key(std::string& head, const Fields& fields) const {
    if (dialect == Dialect::anthropic && !given(fields, "anthropic-version")) {
        head += "anthropic-version: 2023-06-01\r\n";
    }
    const std::string& key = target_.key.reveal();
    if (key.empty() || given(fields, "Authorization") || given(fields, "x-api-key")) {
        return;
    }
    head += dialect == Dialect::anthropic ? "x-api-key: " : "Authorization: Bearer ";
    head += key + "\r\n";
}

std::string Probe::head(const Ask& ask) const {
    const Endpoint& at = target_.endpoint;
    const bool usual_port = at.port == (at.tls ? 443 : 80);
    std::string host = at.text();
    if (host.starts_with("unix:")) {
        host = "localhost";
    } else if (usual_port) {
        host.resize(host.rfind(':'));
    }
    std::string text =
        fmt::format("{} {}{} HTTP/1.1\r\nHost: {}\r\n", ask.method, target_.base, ask.path, host);
    text += "User-Agent: nova-conform\r\n";
    add_key(text, ask.headers);
    for (const auto& [name, value] : ask.headers) {
        text += name + ": " + value + "\r\n";
    }
    return text;
}

std::string Probe::request(const Ask& ask) const {
    std::string text = head(ask);
    if (!ask.body.empty() || ask.method == "POST") {
        if (!given(ask.headers, "Content-Type")) {
            text += "Content-Type: application/json\r\n";
        }
        text += fmt::format("Content-Length: {}\r\n", ask.body.size());
    }
    return text + "\r\n" + ask.body;
}

Task<Reply> Probe::ask(Ask ask) {
    auto wire = co_await connect();
    if (!wire) {
        co_return Reply{.trouble = wire.error().message};
    }
    // A refusal may come before the body was taken: what was sent does not decide, the answer does.
    const auto sent = co_await (*wire)->send(request(ask));
    ignore(sent, "the answer says more");
    Reply reply = co_await (*wire)->reply(ask.method, limits_.answer);
    (*wire)->close();
    co_return reply;
}

Task<Reply> Probe::get(std::string path) {
    Ask what{.path = std::move(path)};
    co_return co_await ask(std::move(what));
}

Task<Reply> Probe::post(std::string path, std::string body) {
    Ask what{.method = "POST", .path = std::move(path), .body = std::move(body)};
    co_return co_await ask(std::move(what));
}

Task<Reply> Probe::once(std::string name, Ask what) {
    if (const auto known = kept_.find(name); known != kept_.end()) {
        co_return known->second;
    }
    Reply reply = co_await ask(std::move(what));
    kept_[name] = reply;
    co_return reply;
}

}  // namespace nova::conform

// Sizes: what has to pass, and how that which is too large is refused.
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "conform/talk.hpp"
#include "conform/themes.hpp"
#include "core/json.hpp"

namespace nova::conform {
namespace {

constexpr std::size_t kLongHeader = 48U * 1024U;
constexpr std::size_t kHugeHeader = 2U * 1024U * 1024U;  // Go takes one MiB
constexpr std::size_t kPicture = 3U * 1024U * 1024U;     // a photograph in base64
constexpr std::uint64_t kDeclared = std::uint64_t{64} << 30U;
constexpr std::size_t kSent = 4U * 1024U * 1024U;

Task<Verdict> large_header(Probe& probe) {
    for (const std::size_t size : {std::size_t{8} * 1024U + 1, kLongHeader}) {
        Ask ask{
            .path = models_path(probe.dialect),
            .headers = {{"X-Conform-Padding", std::string(size, 'a')}}
        };
        const Reply reply = co_await probe.ask(std::move(ask));
        if (!reply.ok()) {
            co_return failed(
                fmt::format("{} for a field of {} bytes", told(reply), size),
                "HTTP 200: long tokens and lists of betas are that large"
            );
        }
    }
    co_return passed();
}

Task<Verdict> huge_header(Probe& probe) {
    Ask ask{
        .path = models_path(probe.dialect),
        .headers = {{"X-Conform-Padding", std::string(kHugeHeader, 'a')}}
    };
    const Reply reply = co_await probe.ask(std::move(ask));
    if (reply.status >= 400 && reply.status < 500) {
        co_return passed();
    }
    co_return failed(told(reply), "HTTP 431 (or another 4xx) that can be read");
}

Task<Verdict> large_body(Probe& probe) {
    Json body = chat(probe, "Say hi.", 4);
    body["a_padding"] = std::string(kPicture, 'a');  // sorts in front: the model's name comes last
    const Reply reply = co_await send_chat(probe, json_text(body));
    if (reply.status == 413 || reply.status == 0 || reply.status >= 500) {
        co_return failed(told(reply), "a body of 3 MiB taken: pictures are that large");
    }
    co_return passed();
}

// Goes on sending while the server refuses, as clients do.
Task<Verdict> too_large(Probe& probe) {
    auto wire = co_await probe.connect();
    if (!wire) {
        co_return cannot_tell(wire.error().message);
    }
    std::string head = probe.head({.method = "POST", .path = chat_path(probe.dialect)});
    head += fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", kDeclared);
    bool taken = (co_await (*wire)->send(std::move(head))).has_value();
    const std::string piece(64U * 1024U, ' ');
    for (std::size_t sent = 0; sent < kSent && taken; sent += piece.size()) {
        taken = (co_await (*wire)->send(piece)).has_value();
    }
    const Reply reply = co_await (*wire)->reply("POST", probe.limits().brief);
    if (reply.status >= 400 && reply.status < 500) {
        co_return passed();
    }
    if (taken && reply.status == 0 && reply.trouble.starts_with("nothing more came")) {
        co_return cannot_tell("it waits for the whole body: no limit was seen");
    }
    co_return failed(told(reply), "HTTP 413 that can be read while the client is still sending");
}

Task<Verdict> gzip_request(Probe& probe) {
    Ask ask{
        .method = "POST",
        .path = chat_path(probe.dialect),
        .body = gzipped(json_text(chat(probe, "Say hi.", 4))),
        .headers = {{"Content-Encoding", "gzip"}}
    };
    const Reply reply = co_await probe.ask(std::move(ask));
    const bool named = reply.body.find("ncoding") != std::string::npos ||
                       reply.body.find("gzip") != std::string::npos ||
                       reply.body.find("ompress") != std::string::npos;
    if (reply.ok() || reply.status == 415 || (reply.status == 400 && named)) {
        co_return passed();
    }
    co_return failed(told(reply), "decoded, or refused with 415 or a 400 that names the encoding");
}

Task<Verdict> identity(Probe& probe) {
    Ask ask{
        .method = "POST",
        .path = chat_path(probe.dialect),
        .body = json_text(chat(probe, "Say hi.", 4)),
        .headers = {{"Accept-Encoding", "identity"}}
    };
    const Reply reply = co_await probe.ask(std::move(ask));
    const std::string_view coding = reply.header("Content-Encoding");
    if (!coding.empty() && coding != "identity") {
        co_return failed(
            fmt::format("Content-Encoding: {}", coding), "none that was not asked for"
        );
    }
    co_return reply.ok() ? passed() : failed(told(reply), "HTTP 200");
}

}  // namespace

void add_limits(std::vector<Check>& checks) {
    using enum Severity;
    const auto add = [&checks](
                         std::string_view id, std::vector<unsigned> traps, Severity severity,
                         std::string_view expectation, Task<Verdict> (*run)(Probe&)
                     ) {
        checks.push_back({id, std::move(traps), {}, severity, expectation, run});
    };
    add("limits.large-header", {25}, should, "A field of 8 to 48 KiB passes.", large_header);
    add("limits.huge-header", {25}, should, "A field of 2 MiB is refused with a readable 4xx.",
        huge_header);
    add("limits.large-body", {20, 77}, must,
        "A body of 3 MiB with the model's name at its end is read.", large_body);
    add("limits.too-large", {19}, should,
        "What is too large is refused with an answer the client can read.", too_large);
    add("limits.gzip-request", {14}, should,
        "A gzip body is decoded, or refused in a way that says why.", gzip_request);
    add("limits.identity", {13}, must, "An answer is not compressed unasked.", identity);
}

}  // namespace nova::conform

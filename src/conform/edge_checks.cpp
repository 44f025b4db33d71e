// The edge of the house: keys, browsers, identifiers, paths.
#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "conform/talk.hpp"
#include "conform/themes.hpp"
#include "core/json.hpp"

namespace nova::conform {
namespace {

constexpr std::string_view kOrigin = "https://elsewhere.example";

Task<Verdict> odd_authorization(Probe& probe) {
    constexpr std::array<std::string_view, 5> kOdd{
        "Bearer", "bearer  two  words", "Basic !!!", "Bearer \xff\xfe", "="
    };
    for (const std::string_view value : kOdd) {
        Ask ask{
            .path = models_path(probe.dialect), .headers = {{"Authorization", std::string{value}}}
        };
        const Reply reply = co_await probe.ask(std::move(ask));
        if (reply.status == 0 || reply.status >= 500) {
            co_return failed(
                fmt::format("{} to a malformed Authorization", told(reply)),
                "HTTP 401, or the answer where no key is wanted"
            );
        }
    }
    co_return passed();
}

Task<Verdict> wrong_key(Probe& probe) {
    if (probe.target().key.empty()) {
        co_return cannot_tell("no key was given (--key-file)");
    }
    Ask ask{
        .method = "POST",
        .path = chat_path(probe.dialect),
        .body = json_text(chat(probe, "Say hi.", 4)),
        .headers = {{"Authorization", "Bearer wrong-" + std::string(24, '0')}}
    };
    const Reply reply = co_await probe.ask(std::move(ask));
    if (reply.status != 401 || at(json_of(reply), "error").is_null()) {
        co_return failed(told(reply), "HTTP 401 with an error in the body");
    }
    co_return passed();
}

Task<Verdict> request_id(Probe& probe) {
    constexpr std::string_view kOdd = "conform\"><script>%0d%0aX-Injected: 1";
    Ask ask{.path = models_path(probe.dialect), .headers = {{"X-Request-Id", std::string{kOdd}}}};
    const Reply reply = co_await probe.ask(std::move(ask));
    for (const auto& [name, value] : reply.headers) {
        if (value.find("<script>") != std::string::npos ||
            net::equal_ignoring_case(name, "X-Injected")) {
            co_return failed(
                fmt::format("{}: {}", name, value), "an identifier of its own, or a safe one"
            );
        }
    }
    co_return reply.ok() ? passed() : failed(told(reply), "HTTP 200");
}

Task<Verdict> cross_origin(Probe& probe) {
    Ask preflight{
        .method = "OPTIONS",
        .path = chat_path(probe.dialect),
        .headers =
            {{"Origin", std::string{kOrigin}},
             {"Access-Control-Request-Method", "POST"},
             {"Access-Control-Request-Headers", "authorization,content-type"}}
    };
    Ask plain{.path = models_path(probe.dialect), .headers = {{"Origin", std::string{kOrigin}}}};
    for (Ask& ask : std::array{std::move(preflight), std::move(plain)}) {
        const Reply reply = co_await probe.ask(std::move(ask));
        const std::string_view allowed = reply.header("Access-Control-Allow-Origin");
        const std::string_view with = reply.header("Access-Control-Allow-Credentials");
        if (reply.status == 0 || reply.status >= 500) {
            co_return failed(told(reply), "a preflight is answered");
        }
        if (with == "true" && (allowed == "*" || allowed == kOrigin)) {
            co_return failed(
                fmt::format("any origin is allowed ({}) with credentials", allowed),
                "origins by name, or no credentials"
            );
        }
    }
    co_return passed();
}

Task<Verdict> query(Probe& probe) {
    const Reply reply = co_await probe.get(models_path(probe.dialect) + "?conform=1&x=%2F");
    co_return reply.ok() ? passed() : failed(told(reply), "HTTP 200, whatever the query says");
}

Task<Verdict> dot_segments(Probe& probe) {
    const Reply reply = co_await probe.get("/v1/models/%2e%2e/%2e%2e/%2e%2e/etc/passwd");
    if (reply.status < 400 || reply.status >= 500) {
        co_return failed(told(reply), "HTTP 4xx");
    }
    co_return passed();
}

}  // namespace

void add_edge(std::vector<Check>& checks) {
    using enum Severity;
    const auto add = [&checks](
                         std::string_view id, std::vector<unsigned> traps, Severity severity,
                         std::string_view expectation, Task<Verdict> (*run)(Probe&)
                     ) {
        checks.push_back({id, std::move(traps), {}, severity, expectation, run});
    };
    add("edge.authorization", {78}, must, "A malformed Authorization never breaks the server.",
        odd_authorization);
    add("edge.request-id", {99, 100}, should,
        "An X-Request-Id with odd characters is not sent back as it came.", request_id);
    add("edge.cors", {98}, should,
        "Preflights are answered, and not every origin is allowed with credentials.", cross_origin);
    add("edge.query", {73}, must, "A query behind the path does not lose the route.", query);
    add("edge.dot-segments", {69}, must, "Dot segments in a path are refused.", dot_segments);
    checks.push_back(
        {"edge.wrong-key",
         {78},
         {Dialect::openai},
         must,
         "A wrong key is refused with 401 and an error in the body.",
         &wrong_key}
    );
}

}  // namespace nova::conform

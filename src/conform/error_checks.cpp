// Refusals: the right status, in a form that clients can read.
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "conform/talk.hpp"
#include "conform/themes.hpp"
#include "core/json.hpp"

namespace nova::conform {
namespace {

constexpr std::string_view kNoModel = "conform/no-such-model:none";

Verdict is_400(const Reply& reply) {
    if (reply.status != 400) {
        return failed(told(reply), "HTTP 400");
    }
    return is_refusal(reply) ? passed() : failed(told(reply), "an error with a message");
}

Task<Verdict> unknown_model(Probe& probe) {
    Json body = chat(probe, "Say hi.", 4);
    body["model"] = kNoModel;
    const Reply reply = co_await send_chat(probe, json_text(body));
    const std::string code = text_at(at(json_of(reply), "error"), "code");
    if (reply.status != 404 || code != "model_not_found") {
        co_return failed(told(reply), "HTTP 404, error.code model_not_found");
    }
    co_return passed();
}

Task<Verdict> malformed_json(Probe& probe) {
    const std::string whole = json_text(chat(probe, "Say hi.", 4));
    const Reply reply = co_await send_chat(probe, whole.substr(0, whole.size() - 2));
    co_return is_400(reply);
}

Task<Verdict> wrong_types(Probe& probe) {
    Json body = chat(probe, "Say hi.", 4);
    body["messages"] = "Say hi.";
    const Reply text = co_await send_chat(probe, json_text(body));
    if (const Verdict verdict = is_400(text); verdict.outcome != Outcome::pass) {
        co_return verdict;
    }
    co_return is_400(co_await send_chat(probe, "[1, 2]"));
}

Task<Verdict> missing_messages(Probe& probe) {
    co_return is_400(co_await send_chat(probe, json_text(Json{{"model", probe.target().model}})));
}

Task<Verdict> members(Probe& probe) {
    const Reply reply = co_await send_chat(
        probe, json_text(Json{{"model", probe.target().model}, {"messages", 7}})
    );
    const Json body = json_of(reply);
    const Json& error = at(body, "error");
    std::string missing;
    for (const char* name : {"message", "type", "param", "code"}) {
        if (!error.is_object() || !error.contains(name)) {
            missing += missing.empty() ? name : std::string{", "} + name;
        }
    }
    if (!missing.empty()) {
        co_return failed("without " + missing + ": " + told(reply), "message, type, param, code");
    }
    co_return passed();
}

Task<Verdict> unknown_route(Probe& probe) {
    const Reply reply = co_await probe.post("/v1/conform/nothing", "{}");
    if (reply.status != 404 || text_at(at(json_of(reply), "error"), "message").empty()) {
        co_return failed(told(reply), "HTTP 404 with an error as JSON");
    }
    co_return passed();
}

Task<Verdict> deep_json(Probe& probe) {
    constexpr std::size_t kDepth = 50'000;
    const std::string deep = std::string(kDepth, '[') + std::string(kDepth, ']');
    const Reply reply =
        co_await send_chat(probe, fmt::format(R"({{"model":"{}","messages":{}}})", kNoModel, deep));
    const auto alive = co_await probe.reachable();
    if (!alive) {
        co_return failed("the server is gone: " + alive.error().message, "a refusal");
    }
    if (reply.status == 0 || reply.status >= 500) {
        co_return failed(told(reply), "a refusal with 4xx");
    }
    co_return passed();
}

}  // namespace

void add_errors(std::vector<Check>& checks) {
    using enum Severity;
    const auto add = [&checks](
                         std::string_view id, std::vector<unsigned> traps, Severity severity,
                         std::string_view expectation, Task<Verdict> (*run)(Probe&)
                     ) {
        checks.push_back({id, std::move(traps), {Dialect::openai}, severity, expectation, run});
    };
    add("error.unknown-model", {63, 68, 70}, should,
        "A model that is not there is 404 model_not_found.", unknown_model);
    add("error.malformed-json", {76}, must, "Malformed JSON is 400.", malformed_json);
    add("error.wrong-types", {63, 76}, must, "Members of the wrong type are 400, not 422 or 500.",
        wrong_types);
    add("error.missing-messages", {63}, must, "A chat without messages is 400.", missing_messages);
    add("error.members", {63}, should, "An error has message, type, param and code.", members);
    add("error.unknown-route", {63}, should, "A path that does not exist is 404, as JSON.",
        unknown_route);
    add("error.deep-json", {75, 76}, must, "JSON that nests without end is refused unharmed.",
        deep_json);
}

}  // namespace nova::conform

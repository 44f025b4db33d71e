// What a chat request may say, and what its whole answer says.
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "conform/talk.hpp"
#include "conform/themes.hpp"
#include "core/json.hpp"

namespace nova::conform {
namespace {

constexpr unsigned kFew = 4;
constexpr std::string_view kLongPrompt = "Count from one to twenty in words.";

Task<Verdict> accepted(Probe& probe, Json body) {
    const Reply reply = co_await send_chat(probe, json_text(body));
    co_return reply.ok() ? passed() : failed(told(reply), "HTTP 200");
}

Task<Verdict> null_members(Probe& probe) {
    Json body = chat(probe, "Say hi.", kFew);
    for (const char* name :
         {"stream", "logprobs", "stop", "n", "tools", "user", "response_format", "seed"}) {
        body[name] = nullptr;
    }
    co_return co_await accepted(probe, std::move(body));
}

Task<Verdict> null_content(Probe& probe) {
    Json body = chat(probe, "What is the weather?", kFew);
    const Json call{
        {"id", "call_1"},
        {"type", "function"},
        {"function", {{"name", "weather"}, {"arguments", "{}"}}}
    };
    body["messages"].push_back(
        {{"role", "assistant"}, {"content", nullptr}, {"tool_calls", Json::array({call})}}
    );
    body["messages"].push_back(
        {{"role", "tool"}, {"tool_call_id", "call_1"}, {"content", "It rains."}}
    );
    co_return co_await accepted(probe, std::move(body));
}

Task<Verdict> text_parts(Probe& probe) {
    Json body = chat(probe, "", kFew);
    body["messages"][0]["content"] = Json::array(
        {Json{{"type", "text"}, {"text", "Say "}}, Json{{"type", "text"}, {"text", "hi."}}}
    );
    co_return co_await accepted(probe, std::move(body));
}

Task<Verdict> unknown_fields(Probe& probe) {
    Json body = chat(probe, "Say hi.", kFew);
    body["x_conform"] = {{"unknown", true}};
    body["user"] = "conform";
    body["metadata"] = {{"origin", "conform"}};
    body["store"] = false;
    body["service_tier"] = "auto";
    co_return co_await accepted(probe, std::move(body));
}

Task<Verdict> developer_role(Probe& probe) {
    Json body = chat(probe, "Say hi.", kFew);
    body["messages"].insert(
        body["messages"].begin(), Json{{"role", "developer"}, {"content", "Be brief."}}
    );
    co_return co_await accepted(probe, std::move(body));
}

Task<Verdict> stream_options(Probe& probe) {
    Json body = chat(probe, "Say hi.", kFew);
    body["stream_options"] = {{"include_usage", true}};
    const Reply reply = co_await send_chat(probe, json_text(body));
    if (reply.ok() || reply.status == 400) {
        co_return passed();
    }
    co_return failed(told(reply), "HTTP 200 or 400");
}

Verdict few_tokens(const Reply& reply) {
    if (!reply.ok()) {
        return failed(told(reply), "HTTP 200");
    }
    const Json body = json_of(reply);
    const Json& count = within(body, {"usage", "completion_tokens"});
    if (!is_count(count)) {
        return cannot_tell("the answer has no usage");
    }
    // An engine may count the token that ends the answer.
    if (count.get<std::uint64_t>() > kFew + 1) {
        return failed(
            fmt::format("{} tokens", count.get<std::uint64_t>()), fmt::format("at most {}", kFew)
        );
    }
    return passed();
}

Task<Verdict> max_completion_tokens(Probe& probe) {
    Json body = chat(probe, kLongPrompt, kFew);
    body.erase("max_tokens");
    body["max_completion_tokens"] = kFew;
    co_return few_tokens(co_await send_chat(probe, json_text(body)));
}

Task<Verdict> both_limits(Probe& probe) {
    Json body = chat(probe, kLongPrompt, 48);
    body["max_completion_tokens"] = kFew;
    co_return few_tokens(co_await send_chat(probe, json_text(body)));
}

Task<Reply> whole_answer(Probe& probe) {
    Ask ask{
        .method = "POST",
        .path = "/v1/chat/completions",
        .body = json_text(chat(probe, "Say hi.", 8))
    };
    co_return co_await probe.once("answer", std::move(ask));
}

Task<Verdict> shape(Probe& probe) {
    const Reply reply = co_await whole_answer(probe);
    if (!reply.ok()) {
        co_return failed(told(reply), "HTTP 200");
    }
    const Json body = json_of(reply);
    const Json& choice = at(at(body, "choices"), std::size_t{0});
    const Json& message = at(choice, "message");
    const auto wants = [](bool there, std::string_view what) {
        return there ? std::string{} : std::string{what} + " is missing or wrong; ";
    };
    const std::string wrong = wants(!text_at(body, "id").empty(), "id") +
                              wants(text_at(body, "object") == "chat.completion", "object") +
                              wants(is_count(at(body, "created")), "created") +
                              wants(choice.is_object(), "choices") +
                              wants(at(choice, "index") == 0, "index") +
                              wants(text_at(message, "role") == "assistant", "role") +
                              wants(at(message, "content").is_string(), "content") +
                              wants(!text_at(choice, "finish_reason").empty(), "finish_reason");
    co_return wrong.empty() ? passed() : failed(wrong + told(reply), "a chat.completion");
}

Task<Verdict> model_echo(Probe& probe) {
    const Reply reply = co_await whole_answer(probe);
    const Json body = json_of(reply);
    if (!reply.ok()) {
        co_return cannot_tell(told(reply));
    }
    if (text_at(body, "model") != probe.target().model) {
        co_return failed(
            "model: " + shown(at(body, "model")), "the name asked for: " + probe.target().model
        );
    }
    co_return passed();
}

Task<Verdict> usage(Probe& probe) {
    const Reply reply = co_await whole_answer(probe);
    if (!reply.ok()) {
        co_return cannot_tell(told(reply));
    }
    const Json body = json_of(reply);
    const Json& in = within(body, {"usage", "prompt_tokens"});
    const Json& out = within(body, {"usage", "completion_tokens"});
    const Json& all = within(body, {"usage", "total_tokens"});
    if (!is_count(in) || !is_count(out) || !is_count(all) ||
        in.get<std::uint64_t>() + out.get<std::uint64_t>() != all.get<std::uint64_t>()) {
        co_return failed(shown(at(body, "usage")), "prompt and completion make the total");
    }
    co_return passed();
}

}  // namespace

void add_requests(std::vector<Check>& checks) {
    using enum Severity;
    const auto add = [&checks](
                         std::string_view id, std::vector<unsigned> traps, Severity severity,
                         std::string_view expectation, Task<Verdict> (*run)(Probe&)
                     ) {
        checks.push_back({id, std::move(traps), {Dialect::openai}, severity, expectation, run});
    };
    add("request.null-members", {58}, must, "stream: null, logprobs: null and others are accepted.",
        null_members);
    add("request.null-content", {52, 53}, should,
        "An assistant's message with tool calls may have content: null.", null_content);
    add("request.text-parts", {61}, must, "Content may be a list of text parts.", text_parts);
    add("request.unknown-fields", {61, 79}, must,
        "Unknown members, user, metadata, store and service_tier do no harm.", unknown_fields);
    add("request.developer-role", {61}, should, "The role developer is understood.",
        developer_role);
    add("request.stream-options", {57}, should, "stream_options without stream is no server error.",
        stream_options);
    add("request.max-completion-tokens", {59}, should, "max_completion_tokens limits the answer.",
        max_completion_tokens);
    add("request.both-limits", {60}, should,
        "Of max_tokens and max_completion_tokens the second wins.", both_limits);
    add("answer.shape", {54}, must, "A whole answer is a chat.completion.", shape);
    add("answer.model", {71}, must, "The answer names the model that was asked for.", model_echo);
    add("answer.usage", {66}, should, "usage is there and adds up.", usage);
}

}  // namespace nova::conform

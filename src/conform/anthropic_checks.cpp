// Anthropic's Messages, whole and streamed.
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "conform/talk.hpp"
#include "conform/themes.hpp"
#include "core/json.hpp"

namespace nova::conform {
namespace {

Task<Reply> whole_answer(Probe& probe) {
    Ask ask{.method = "POST", .path = "/v1/messages", .body = json_text(chat(probe, "Say hi.", 8))};
    co_return co_await probe.once("anthropic", std::move(ask));
}

Task<Reply> stream(Probe& probe) {
    Ask ask{
        .method = "POST",
        .path = "/v1/messages",
        .body = streamed(chat(probe, "Count from one to ten in words.", 24))
    };
    co_return co_await probe.once("anthropic-stream", std::move(ask));
}

Task<Verdict> answer(Probe& probe) {
    const Reply reply = co_await whole_answer(probe);
    const Json body = json_of(reply);
    const Json& block = at(at(body, "content"), std::size_t{0});
    const bool whole = reply.ok() && text_at(body, "type") == "message" &&
                       text_at(body, "role") == "assistant" && !text_at(body, "id").empty() &&
                       !text_at(block, "type").empty() && !text_at(body, "stop_reason").empty();
    co_return whole ? passed()
                    : failed(told(reply), "a message with id, role, content and stop_reason");
}

Task<Verdict> usage(Probe& probe) {
    const Reply reply = co_await whole_answer(probe);
    if (!reply.ok()) {
        co_return cannot_tell(told(reply));
    }
    const Json body = json_of(reply);
    const bool there = is_count(within(body, {"usage", "input_tokens"})) &&
                       is_count(within(body, {"usage", "output_tokens"}));
    if (!there) {
        co_return failed(shown(at(body, "usage")), "input_tokens and output_tokens");
    }
    for (const Json& event : chunks_of(read_events((co_await stream(probe)).body))) {
        if (text_at(event, "type") == "message_delta") {
            co_return is_count(within(event, {"usage", "output_tokens"}))
                ? passed()
                : failed(shown(event), "usage.output_tokens in message_delta");
        }
    }
    co_return failed("no message_delta in the stream", "one with usage");
}

Task<Verdict> stop_reason(Probe& probe) {
    const Reply reply =
        co_await send_chat(probe, json_text(chat(probe, "Count from one to ten in words.", 1)));
    if (!reply.ok()) {
        co_return failed(told(reply), "HTTP 200");
    }
    const std::string reason = text_at(json_of(reply), "stop_reason");
    co_return reason == "max_tokens" ? passed() : failed("stop_reason: " + reason, "max_tokens");
}

// The state of a stream between two events; complains about what may not come there.
struct Order {
    bool started = false;
    bool block_open = false;
    bool told_why = false;  // message_delta with a stop_reason
    bool stopped = false;
    std::string wrong{};

    void take(const Json& event) {
        const std::string type = text_at(event, "type");
        const bool fits =
            type == "ping"                  ? true
            : type == "message_start"       ? !std::exchange(started, true)
            : type == "content_block_start" ? started && !std::exchange(block_open, true)
            : type == "content_block_delta" ? block_open
            : type == "content_block_stop"  ? std::exchange(block_open, false)
            : type == "message_delta"       ? started && !block_open && !stopped
            : type == "message_stop"        ? told_why && !std::exchange(stopped, true)
                                            : true;  // kinds that are newer than this program
        if (type == "message_delta" && !text_at(at(event, "delta"), "stop_reason").empty()) {
            told_why = true;
        }
        if (!fits && wrong.empty()) {
            wrong = type + " in the wrong place";
        }
    }
};

Task<Verdict> order(Probe& probe) {
    const Reply reply = co_await stream(probe);
    const auto events = chunks_of(read_events(reply.body));
    if (!reply.ok() || events.empty()) {
        co_return failed(told(reply), "a stream of events");
    }
    Order state;
    for (const Json& event : events) {
        state.take(event);
    }
    if (state.wrong.empty() && !state.stopped) {
        state.wrong = "the stream ends without message_stop";
    }
    co_return state.wrong.empty()
        ? passed()
        : failed(state.wrong, "message_start, blocks, message_delta, message_stop");
}

Task<Verdict> event_names(Probe& probe) {
    const Reply reply = co_await stream(probe);
    const Recording recording = read_events(reply.body);
    if (!reply.header("Content-Type").starts_with("text/event-stream")) {
        co_return failed(fmt::format("{}", reply.header("Content-Type")), "text/event-stream");
    }
    if (!recording.broken.empty()) {
        co_return failed(recording.broken, "an event stream");
    }
    for (const Recording::Event& event : recording.events) {
        const auto data = parse_json(event.data, "The event");
        const bool named = data && event.name == text_at(*data, "type");
        if (!named && event.data != "[DONE]") {  // which has a check of its own
            co_return failed(
                fmt::format("event: {} with data {}", event.name, event.data.substr(0, 60)),
                "the event's name equal to the type in its data"
            );
        }
    }
    co_return passed();
}

Task<Verdict> no_done(Probe& probe) {
    const Reply reply = co_await stream(probe);
    co_return reply.body.find("data: [DONE]") == std::string::npos
        ? passed()
        : failed("[DONE]", "message_stop is the end");
}

Task<Verdict> errors(Probe& probe) {
    for (const char* body : {"{\"model\": \"x\"", "{\"messages\": 7}"}) {
        const Reply reply = co_await send_chat(probe, body);
        const Json value = json_of(reply);
        const Json& error = at(value, "error");
        const bool shape = text_at(value, "type") == "error" && !text_at(error, "type").empty() &&
                           !text_at(error, "message").empty();
        if (reply.status != 400 || !shape) {
            co_return failed(told(reply), "HTTP 400, {type: error, error: {type, message}}");
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
        .path = "/v1/messages",
        .body = json_text(chat(probe, "Say hi.", 4)),
        .headers = {{"x-api-key", "wrong-" + std::string(24, '0')}}
    };
    const Reply reply = co_await probe.ask(std::move(ask));
    const Json body = json_of(reply);
    if (reply.status != 401 || text_at(at(body, "error"), "type") != "authentication_error") {
        co_return failed(told(reply), "HTTP 401, authentication_error");
    }
    co_return passed();
}

}  // namespace

void add_anthropic(std::vector<Check>& checks) {
    using enum Severity;
    const auto add = [&checks](
                         std::string_view id, std::vector<unsigned> traps, Severity severity,
                         std::string_view expectation, Task<Verdict> (*run)(Probe&)
                     ) {
        checks.push_back({id, std::move(traps), {Dialect::anthropic}, severity, expectation, run});
    };
    add("anthropic.answer", {50}, must, "A whole answer is a message.", answer);
    add("anthropic.usage", {66}, should, "usage is in the answer and in message_delta.", usage);
    add("anthropic.stop-reason", {50}, must, "A cut answer says max_tokens.", stop_reason);
    add("anthropic.order", {7, 11}, must,
        "message_start, blocks, message_delta and message_stop in order; ping anywhere.", order);
    add("anthropic.event-names", {5, 12}, must, "Each event's name is the type in its data.",
        event_names);
    add("anthropic.no-done", {10}, must, "A stream has no [DONE].", no_done);
    add("anthropic.errors", {63, 76}, must, "Errors are 400 in Anthropic's form.", errors);
    add("anthropic.wrong-key", {78}, must, "A wrong x-api-key is 401 authentication_error.",
        wrong_key);
}

}  // namespace nova::conform

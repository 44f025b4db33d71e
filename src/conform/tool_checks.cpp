// Calls of tools, where the model makes any.
#include <map>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "conform/talk.hpp"
#include "conform/themes.hpp"
#include "core/json.hpp"

namespace nova::conform {
namespace {

Json asking_for_a_tool(const Probe& probe) {
    Json body = chat(probe, "Use the tool: what is the weather in Paris?", 96);
    const Json city{{"type", "string"}};
    const Json parameters{
        {"type", "object"}, {"properties", {{"city", city}}}, {"required", Json::array({"city"})}
    };
    const Json function{
        {"name", "weather"}, {"description", "Weather of a city"}, {"parameters", parameters}
    };
    body["tools"] = Json::array({Json{{"type", "function"}, {"function", function}}});
    if (probe.dialect == Dialect::openai) {
        body["tool_choice"] = "required";
    }
    return body;
}

bool is_object_text(const std::string& text) {
    const auto value = parse_json(text, "The arguments");
    return value && value->is_object();
}

Verdict no_calls(const Reply& reply) {
    return cannot_tell("the model called no tool: " + told(reply));
}

Task<Verdict> whole(Probe& probe) {
    const Reply reply = co_await send_chat(probe, json_text(asking_for_a_tool(probe)));
    const Json body = json_of(reply);
    const Json& choice = at(at(body, "choices"), std::size_t{0});
    const Json& calls = at(at(choice, "message"), "tool_calls");
    if (!reply.ok() || !calls.is_array() || calls.empty()) {
        co_return no_calls(reply);
    }
    for (const Json& call : calls) {
        const Json& arguments = within(call, {"function", "arguments"});
        if (!arguments.is_string() || !is_object_text(arguments.get<std::string>())) {
            co_return failed("arguments: " + shown(arguments), "a string that holds an object");
        }
        if (text_at(call, "id").empty() || text_at(call, "type") != "function") {
            co_return failed(shown(call), "an id and the type function");
        }
    }
    const std::string reason = text_at(choice, "finish_reason");
    co_return reason == "tool_calls" ? passed() : failed("finish_reason: " + reason, "tool_calls");
}

struct Streamed {
    std::map<std::size_t, std::string> arguments{};  // by index
    std::map<std::size_t, unsigned> ids{};
    std::string reason{};
    std::string wrong{};
};

Streamed put_together(const std::vector<Json>& chunks) {
    Streamed result;
    for (const Json& chunk : chunks) {
        const Json& choice = at(at(chunk, "choices"), std::size_t{0});
        if (const std::string reason = text_at(choice, "finish_reason"); !reason.empty()) {
            result.reason = reason;
        }
        for (const Json& call : at(at(choice, "delta"), "tool_calls")) {
            const Json& arguments = within(call, {"function", "arguments"});
            if (!is_count(at(call, "index"))) {
                result.wrong = "no index: " + shown(call);
                return result;
            }
            const auto index = at(call, "index").get<std::size_t>();
            if (!arguments.is_null() && !arguments.is_string()) {
                result.wrong = "arguments: " + shown(arguments);
            }
            result.arguments[index] += arguments.is_string() ? arguments.get<std::string>() : "";
            result.ids[index] += text_at(call, "id").empty() ? 0 : 1;
        }
    }
    return result;
}

Task<Verdict> deltas(Probe& probe) {
    const Reply reply = co_await send_chat(probe, streamed(asking_for_a_tool(probe)));
    const Streamed calls = put_together(chunks_of(read_events(reply.body)));
    if (!calls.wrong.empty()) {
        co_return failed(calls.wrong, "an index, and arguments as pieces of a string");
    }
    if (!reply.ok() || calls.arguments.empty()) {
        co_return no_calls(reply);
    }
    std::size_t next = 0;
    for (const auto& [index, arguments] : calls.arguments) {
        if (index != next++) {
            co_return failed(fmt::format("index {}", index), "indexes from 0 without gaps");
        }
        if (!is_object_text(arguments)) {
            co_return failed("arguments: " + arguments, "pieces that make an object");
        }
        if (calls.ids.at(index) != 1) {
            co_return failed(
                fmt::format("{} ids for call {}", calls.ids.at(index), index),
                "an id in the first delta of a call only"
            );
        }
    }
    co_return calls.reason == "tool_calls" ? passed()
                                           : failed("finish_reason: " + calls.reason, "tool_calls");
}

Task<Verdict> ollama_calls(Probe& probe) {
    const Reply reply = co_await send_chat(probe, json_text(asking_for_a_tool(probe)));
    const Json body = json_of(reply);
    const Json& calls = within(body, {"message", "tool_calls"});
    if (!reply.ok() || !calls.is_array() || calls.empty()) {
        co_return no_calls(reply);
    }
    for (const Json& call : calls) {
        const Json& arguments = within(call, {"function", "arguments"});
        if (!arguments.is_object() || text_at(at(call, "function"), "name").empty()) {
            co_return failed(shown(call), "a name, and arguments as an object");
        }
    }
    co_return passed();
}

}  // namespace

void add_tools(std::vector<Check>& checks) {
    using enum Severity;
    checks.push_back(
        {"tools.whole",
         {50, 51, 52},
         {Dialect::openai},
         must,
         "Arguments are a string that holds an object; finish_reason is tool_calls.",
         &whole}
    );
    checks.push_back(
        {"tools.stream",
         {49, 50, 51},
         {Dialect::openai},
         must,
         "Indexes count from 0, the id comes once, the pieces make an object.",
         &deltas}
    );
    checks.push_back(
        {"ollama.tools",
         {51, 85},
         {Dialect::ollama},
         must,
         "Ollama's arguments are an object.",
         &ollama_calls}
    );
}

}  // namespace nova::conform

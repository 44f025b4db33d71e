// Ollama's own API.
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "conform/talk.hpp"
#include "conform/themes.hpp"
#include "core/json.hpp"

namespace nova::conform {
namespace {

constexpr std::string_view kLatest = ":latest";

Task<Reply> stream(Probe& probe) {
    Json body = chat(probe, "Count from one to ten in words.", 24);
    body.erase("stream");  // what it means then is one of the traps
    Ask ask{.method = "POST", .path = "/api/chat", .body = json_text(body)};
    co_return co_await probe.once("ollama-stream", std::move(ask));
}

Json last_of(const Lines& lines) {
    auto value = parse_json(lines.lines.empty() ? "" : lines.lines.back(), "The line");
    return value ? *std::move(value) : Json();
}

Task<Verdict> stream_default(Probe& probe) {
    const Reply reply = co_await stream(probe);
    const bool lines = reply.header("Content-Type").starts_with("application/x-ndjson");
    if (!reply.ok() || !lines || read_lines(reply.body).lines.size() < 2) {
        co_return failed(
            fmt::format("HTTP {}, {}", reply.status, reply.header("Content-Type")),
            "a stream, application/x-ndjson"
        );
    }
    co_return passed();
}

Task<Verdict> lines(Probe& probe) {
    const Reply reply = co_await stream(probe);
    const Lines all = read_lines(reply.body);
    if (!reply.ok()) {
        co_return cannot_tell(told(reply));
    }
    co_return all.broken.empty() ? passed() : failed(all.broken, "one object a line");
}

Task<Verdict> done(Probe& probe) {
    const Reply reply = co_await stream(probe);
    if (!reply.ok()) {
        co_return cannot_tell(told(reply));
    }
    const Lines all = read_lines(reply.body);
    unsigned ends = 0;
    for (const std::string& line : all.lines) {
        const auto value = parse_json(line, "The line");
        ends += value && at(*value, "done") == true ? 1 : 0;
    }
    const Json last = last_of(all);
    const std::string reason = text_at(last, "done_reason");
    if (ends != 1 || at(last, "done") != true || (reason != "stop" && reason != "length")) {
        co_return failed(shown(last), "done: true once, in the last line, with stop or length");
    }
    co_return passed();
}

Task<Verdict> usage(Probe& probe) {
    const Reply reply = co_await stream(probe);
    if (!reply.ok()) {
        co_return cannot_tell(told(reply));
    }
    const Json last = last_of(read_lines(reply.body));
    if (!is_count(at(last, "eval_count")) || !is_count(at(last, "prompt_eval_count"))) {
        co_return failed(shown(last), "prompt_eval_count and eval_count in the last line");
    }
    co_return passed();
}

Task<Verdict> whole(Probe& probe) {
    const Reply reply = co_await send_chat(probe, json_text(chat(probe, "Say hi.", 8)));
    const Json body = json_of(reply);
    const Json& message = at(body, "message");
    const bool shape = reply.ok() && at(body, "done") == true && !text_at(body, "model").empty() &&
                       text_at(message, "role") == "assistant" &&
                       at(message, "content").is_string();
    co_return shape ? passed() : failed(told(reply), "one object: model, message, done: true");
}

Task<Verdict> model_echo(Probe& probe) {
    const Reply reply = co_await stream(probe);
    if (!reply.ok()) {
        co_return cannot_tell(told(reply));
    }
    const std::string model = text_at(last_of(read_lines(reply.body)), "model");
    co_return model == probe.target().model ? passed()
                                            : failed("model: " + model, probe.target().model);
}

Task<Verdict> errors(Probe& probe) {
    // With a model that is there: 404 would be as right for another.
    const std::string wrong = json_text(Json{{"model", probe.target().model}, {"messages", 7}});
    for (const std::string& body : {wrong.substr(0, wrong.size() - 1), wrong}) {
        const Reply reply = co_await send_chat(probe, body);
        if (reply.status != 400 || text_at(json_of(reply), "error").empty()) {
            co_return failed(told(reply), "HTTP 400, {\"error\": \"a sentence\"}");
        }
    }
    co_return passed();
}

Task<Verdict> unknown_model(Probe& probe) {
    Json body = chat(probe, "Say hi.", 4);
    body["model"] = "conform-no-such-model";
    const Reply reply = co_await send_chat(probe, json_text(body));
    if (reply.status != 404 || text_at(json_of(reply), "error").empty()) {
        co_return failed(told(reply), "HTTP 404, {\"error\": \"a sentence\"}");
    }
    co_return passed();
}

Task<Verdict> tags(Probe& probe) {
    const Reply reply = co_await probe.get("/api/tags");
    const Json body = json_of(reply);
    if (!reply.ok() || !at(body, "models").is_array()) {
        co_return failed(told(reply), "HTTP 200 with models");
    }
    for (const Json& entry : at(body, "models")) {
        const bool shape = !text_at(entry, "name").empty() && !text_at(entry, "model").empty() &&
                           is_count(at(entry, "size")) && at(entry, "details").is_object();
        if (!shape) {
            co_return failed(shown(entry), "name, model, size and details");
        }
    }
    co_return passed();
}

Task<Verdict> version(Probe& probe) {
    const Reply reply = co_await probe.get("/api/version");
    co_return reply.ok() && !text_at(json_of(reply), "version").empty()
        ? passed()
        : failed(told(reply), "{\"version\": \"...\"}");
}

Task<Reply> show_model(Probe& probe, std::string model) {
    const Json body{{"model", std::move(model)}};
    co_return co_await probe.post("/api/show", json_text(body));
}

Task<Verdict> show(Probe& probe) {
    const Reply reply = co_await show_model(probe, probe.target().model);
    const Json body = json_of(reply);
    const bool shape =
        reply.ok() && at(body, "details").is_object() && at(body, "capabilities").is_array();
    co_return shape ? passed() : failed(told(reply), "HTTP 200 with details and capabilities");
}

Task<Verdict> latest(Probe& probe) {
    const std::string& model = probe.target().model;
    if (!model.ends_with(kLatest)) {
        co_return cannot_tell(model + " is not tagged latest");
    }
    const Reply reply = co_await show_model(probe, model.substr(0, model.size() - kLatest.size()));
    co_return reply.ok() ? passed() : failed(told(reply), "NAME is NAME:latest");
}

Task<Verdict> keep_alive(Probe& probe) {
    for (const Json& value : {Json("5m"), Json(300)}) {
        Json body = chat(probe, "Say hi.", 4);
        body["keep_alive"] = value;
        const Reply reply = co_await send_chat(probe, json_text(body));
        if (!reply.ok()) {
            co_return failed(told(reply) + " to keep_alive " + shown(value), "HTTP 200");
        }
    }
    co_return passed();
}

Task<Verdict> embed(Probe& probe) {
    const Target& target = probe.target();
    const Json body{
        {"model", target.embed_model.empty() ? target.model : target.embed_model},
        {"input", Json::array({"The sea is blue.", "Bread and butter"})}
    };
    const Reply reply = co_await probe.post("/api/embed", json_text(body));
    if (!reply.ok()) {
        co_return cannot_tell("this model makes no embeddings: " + told(reply));
    }
    const Json answer = json_of(reply);
    const Json& rows = at(answer, "embeddings");
    const bool shape = rows.is_array() && rows.size() == 2 && at(rows, std::size_t{0}).is_array() &&
                       !at(rows, std::size_t{0}).empty();
    co_return shape ? passed() : failed(told(reply), "a list of numbers for each input");
}

}  // namespace

void add_ollama(std::vector<Check>& checks) {
    using enum Severity;
    const auto add = [&checks](
                         std::string_view id, std::vector<unsigned> traps, Severity severity,
                         std::string_view expectation, Task<Verdict> (*run)(Probe&)
                     ) {
        checks.push_back({id, std::move(traps), {Dialect::ollama}, severity, expectation, run});
    };
    add("ollama.stream-default", {83}, must, "Without stream the answer is a stream of lines.",
        stream_default);
    add("ollama.lines", {82, 94}, must, "Each line of a stream is one object.", lines);
    add("ollama.done", {11, 84}, must, "The last line says done and why.", done);
    add("ollama.usage", {87}, should, "The last line counts the tokens.", usage);
    add("ollama.whole", {83}, must, "stream: false gives one object.", whole);
    add("ollama.model", {71, 95}, should, "The answer names the model that was asked for.",
        model_echo);
    add("ollama.errors", {63, 81}, must, "A wrong request is 400 with a sentence.", errors);
    add("ollama.unknown-model", {63, 70}, must, "A model that is not there is 404.", unknown_model);
    add("ollama.tags", {68}, must, "/api/tags lists the models.", tags);
    add("ollama.version", {}, must, "/api/version says the version.", version);
    add("ollama.show", {95}, should, "/api/show tells about a model.", show);
    add("ollama.latest", {95}, should, "NAME and NAME:latest are the same.", latest);
    add("ollama.keep-alive", {90}, must, "keep_alive is a text or a number.", keep_alive);
    add("ollama.embed", {93}, must, "/api/embed takes several texts.", embed);
}

}  // namespace nova::conform

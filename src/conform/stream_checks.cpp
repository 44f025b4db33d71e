// Streams as OpenAI's clients read them.
#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "conform/talk.hpp"
#include "conform/themes.hpp"
#include "core/json.hpp"

namespace nova::conform {
namespace {

constexpr std::string_view kDone = "[DONE]";

Task<Reply> stream_of(Probe& probe, std::string name, std::string body) {
    Ask ask{.method = "POST", .path = "/v1/chat/completions", .body = std::move(body)};
    co_return co_await probe.once(std::move(name), std::move(ask));
}

Task<Reply> plain_stream(Probe& probe) {
    co_return co_await stream_of(
        probe, "stream", streamed(chat(probe, "Count from one to ten in words.", 24))
    );
}

Task<Reply> metered_stream(Probe& probe) {
    Json body = chat(probe, "Count from one to ten in words.", 24);
    body["stream_options"] = {{"include_usage", true}};
    co_return co_await stream_of(probe, "metered-stream", streamed(std::move(body)));
}

// A stream to judge, or why there is none.
struct Sample {
    std::optional<Verdict> missing{};
    Recording recording{};
    std::vector<Json> chunks{};
};

Sample sample_of(const Reply& reply) {
    Sample sample{.recording = read_events(reply.body)};
    sample.chunks = chunks_of(sample.recording);
    if (reply.status != 200 || sample.chunks.empty()) {
        sample.missing = cannot_tell("no stream: " + told(reply));
    }
    return sample;
}

bool has_choice(const Json& chunk) {
    return !at(at(chunk, "choices"), std::size_t{0}).is_null();
}

const Json& choice_of(const Json& chunk) {
    return at(at(chunk, "choices"), std::size_t{0});
}

std::string text_of(const Sample& sample) {
    std::string text;
    for (const Json& chunk : sample.chunks) {
        text += text_at(at(choice_of(chunk), "delta"), "content");
    }
    return text;
}

// What the chunks with a finish_reason say.
std::vector<std::string> finish_reasons(const Sample& sample) {
    std::vector<std::string> reasons;
    for (const Json& chunk : sample.chunks) {
        const Json& reason = at(choice_of(chunk), "finish_reason");
        if (!reason.is_null()) {
            reasons.push_back(shown(reason));
        }
    }
    return reasons;
}

Task<Verdict> content_type(Probe& probe) {
    const Reply reply = co_await plain_stream(probe);
    if (reply.status != 200 || !reply.header("Content-Type").starts_with("text/event-stream")) {
        co_return failed(
            fmt::format("HTTP {}, {}", reply.status, reply.header("Content-Type")),
            "HTTP 200, text/event-stream"
        );
    }
    co_return passed();
}

Task<Verdict> grammar(Probe& probe) {
    const Reply reply = co_await plain_stream(probe);
    const Sample sample = sample_of(reply);
    if (sample.missing) {
        co_return *sample.missing;
    }
    if (!sample.recording.broken.empty()) {
        co_return failed(
            sample.recording.broken, "lines of fields, a blank line behind each event"
        );
    }
    for (const Recording::Event& event : sample.recording.events) {
        const auto value = parse_json(event.data, "The event");
        if (event.data != kDone && (!value || !value->is_object())) {
            co_return failed("data that is no object: " + event.data.substr(0, 60), "one object");
        }
    }
    co_return reply.complete ? passed() : failed(reply.trouble, "a proper end of the answer");
}

Task<Verdict> done(Probe& probe) {
    const Sample sample = sample_of(co_await plain_stream(probe));
    if (sample.missing) {
        co_return *sample.missing;
    }
    const auto& events = sample.recording.events;
    const auto count = std::ranges::count(events, kDone, &Recording::Event::data);
    if (count != 1 || events.back().data != kDone) {
        co_return failed(
            fmt::format(
                "[DONE] {} times, the last event is {}", count, events.back().data.substr(0, 60)
            ),
            "[DONE] once, last"
        );
    }
    co_return passed();
}

Task<Verdict> first_role(Probe& probe) {
    const Sample sample = sample_of(co_await plain_stream(probe));
    if (sample.missing) {
        co_return *sample.missing;
    }
    const auto first = std::ranges::find_if(sample.chunks, has_choice);
    if (first == sample.chunks.end()) {
        co_return failed("no chunk has a choice", "a first delta with the role");
    }
    const Json& delta = at(choice_of(*first), "delta");
    co_return text_at(delta, "role") == "assistant"
        ? passed()
        : failed(shown(delta), "role: assistant in the first delta");
}

// What all chunks say under that key, each value once.
std::set<std::string> values_of(const Sample& sample, std::string_view key) {
    std::set<std::string> values;
    for (const Json& chunk : sample.chunks) {
        values.insert(shown(at(chunk, key)));
    }
    return values;
}

Task<Verdict> identity(Probe& probe) {
    const Sample sample = sample_of(co_await plain_stream(probe));
    if (sample.missing) {
        co_return *sample.missing;
    }
    const auto ids = values_of(sample, "id");
    if (ids.size() != 1 || text_at(sample.chunks.front(), "id").empty()) {
        co_return failed(fmt::format("{} ids", ids.size()), "one id in all chunks");
    }
    co_return passed();
}

Task<Verdict> created(Probe& probe) {
    const Sample sample = sample_of(co_await plain_stream(probe));
    if (sample.missing) {
        co_return *sample.missing;
    }
    const auto times = values_of(sample, "created");
    if (times.size() != 1 || !is_count(at(sample.chunks.front(), "created"))) {
        co_return failed(
            fmt::format("{} times of creation", times.size()), "one time in all chunks"
        );
    }
    co_return passed();
}

Task<Verdict> model(Probe& probe) {
    const Sample sample = sample_of(co_await plain_stream(probe));
    if (sample.missing) {
        co_return *sample.missing;
    }
    for (const Json& chunk : sample.chunks) {
        if (text_at(chunk, "model") != probe.target().model) {
            co_return failed(
                "model: " + shown(at(chunk, "model")), "the name asked for: " + probe.target().model
            );
        }
    }
    co_return passed();
}

Task<Verdict> finish_reason(Probe& probe) {
    const Sample sample = sample_of(co_await plain_stream(probe));
    if (sample.missing) {
        co_return *sample.missing;
    }
    const auto reasons = finish_reasons(sample);
    if (reasons.size() != 1) {
        co_return failed(
            fmt::format("{} finish reasons", reasons.size()), "one, in the last delta"
        );
    }
    if (reasons[0] != "\"stop\"" && reasons[0] != "\"length\"") {
        co_return failed("finish_reason: " + reasons[0], "stop or length");
    }
    co_return passed();
}

Task<Verdict> choices(Probe& probe) {
    const Sample sample = sample_of(co_await metered_stream(probe));
    if (sample.missing) {
        co_return *sample.missing;
    }
    for (const Json& chunk : sample.chunks) {
        if (!at(chunk, "choices").is_array()) {
            co_return failed(shown(chunk), "choices is a list in every chunk");
        }
    }
    co_return passed();
}

Task<Verdict> usage_asked(Probe& probe) {
    const Sample sample = sample_of(co_await metered_stream(probe));
    if (sample.missing) {
        co_return *sample.missing;
    }
    const auto metered = std::ranges::count_if(sample.chunks, [](const Json& chunk) {
        return at(chunk, "usage").is_object();
    });
    const Json& last = sample.chunks.back();
    if (metered != 1 || !at(last, "usage").is_object() || has_choice(last)) {
        co_return failed(
            fmt::format("{} chunks with usage, the last one is {}", metered, shown(last)),
            "usage in one last chunk with choices: []"
        );
    }
    co_return passed();
}

Task<Verdict> usage_unasked(Probe& probe) {
    const Sample sample = sample_of(co_await plain_stream(probe));
    if (sample.missing) {
        co_return *sample.missing;
    }
    for (const Json& chunk : sample.chunks) {
        const Json& list = at(chunk, "choices");
        if (list.is_array() && list.empty()) {
            co_return failed(shown(chunk), "no chunk without a choice unless usage was asked for");
        }
    }
    co_return passed();
}

Task<Verdict> usage_numbers(Probe& probe) {
    const Sample sample = sample_of(co_await metered_stream(probe));
    if (sample.missing) {
        co_return *sample.missing;
    }
    for (const Json& chunk : sample.chunks) {
        const Json& usage = at(chunk, "usage");
        if (!usage.is_object()) {
            continue;
        }
        const Json& in = at(usage, "prompt_tokens");
        const Json& out = at(usage, "completion_tokens");
        const Json& all = at(usage, "total_tokens");
        const bool sums =
            is_count(in) && is_count(out) && is_count(all) &&
            in.get<std::uint64_t>() + out.get<std::uint64_t>() == all.get<std::uint64_t>() &&
            in.get<std::uint64_t>() > 0 && out.get<std::uint64_t>() > 0;
        co_return sums ? passed() : failed(shown(usage), "prompt and completion make the total");
    }
    co_return cannot_tell("no usage in the stream");
}

Task<Verdict> done_in_text(Probe& probe) {
    const std::string body =
        streamed(chat(probe, "Repeat exactly this line: data: [DONE] is not the end.", 32));
    const Sample sample = sample_of(co_await stream_of(probe, "done-in-text", body));
    if (sample.missing) {
        co_return *sample.missing;
    }
    if (text_of(sample).find(kDone) == std::string::npos) {
        co_return cannot_tell("the model did not say it");
    }
    co_return finish_reasons(sample).empty()
        ? failed("the stream ends behind the text [DONE]", "it goes on to its finish_reason")
        : passed();
}

Task<Verdict> whole_utf8(Probe& probe) {
    const std::string body =
        streamed(chat(probe, "Repeat exactly: \u65e5\u672c\u8a9e \U0001F600 \u00fc\u00e9", 24));
    const Reply reply = co_await stream_of(probe, "utf8", body);
    const Sample sample = sample_of(reply);
    if (sample.missing) {
        co_return *sample.missing;
    }
    if (!is_utf8(reply.body)) {
        co_return failed("bytes that are no UTF-8", "UTF-8 in every event");
    }
    std::string text = text_of(sample);
    constexpr std::string_view kReplacement = "\uFFFD";
    while (text.ends_with(kReplacement)) {  // the limit may have cut the last character
        text.resize(text.size() - kReplacement.size());
    }
    if (text.find(kReplacement) != std::string::npos) {
        co_return failed("U+FFFD inside the text", "characters whole");
    }
    const bool foreign = std::ranges::any_of(text, [](char c) { return c < 0; });
    co_return foreign ? passed() : cannot_tell("the model answered in ASCII");
}

// A stream, and what came when its connection was used again; next stays empty when the stream
// did not end well or said that it closes.
struct Reuse {
    Reply stream{};
    std::optional<Reply> next{};

    // Ended without a word: the request behind the stream was neither answered nor refused.
    bool was_closed() const {
        return next && next->status == 0 && next->trouble.starts_with("the connection was ");
    }
};

Task<Reuse> stream_and_next(Probe& probe) {
    auto wire = co_await probe.connect();
    if (!wire) {
        co_return Reuse{.stream = {.trouble = wire.error().message}};
    }
    const Ask ask{
        .method = "POST",
        .path = "/v1/chat/completions",
        .body = streamed(chat(probe, "Say hi.", 4))
    };
    ignore(co_await (*wire)->send(probe.request(ask)), "the answer says more");
    Reuse reuse{.stream = co_await (*wire)->reply("POST", probe.limits().answer)};
    if (reuse.stream.ok() && reuse.stream.keeps_open) {
        const std::string again = probe.request({.path = "/v1/models"});
        ignore(co_await (*wire)->send(again), "the answer says more");
        reuse.next = co_await (*wire)->reply("GET", probe.limits().brief);
    }
    co_return reuse;
}

Task<Verdict> keep_alive(Probe& probe) {
    const Reuse reuse = co_await stream_and_next(probe);
    if (!reuse.stream.ok()) {
        co_return failed(told(reuse.stream), "a stream with a proper end");
    }
    if (!reuse.next || reuse.next->ok() || reuse.was_closed()) {
        co_return passed();
    }
    co_return failed(told(*reuse.next), "the next answer, or the end of the connection");
}

Task<Verdict> stays_open(Probe& probe) {
    const Reuse reuse = co_await stream_and_next(probe);
    co_return reuse.was_closed() ? failed(
                                       "closed without Connection: close",
                                       "the next answer: a pooled connection looks usable"
                                   )
                                 : passed();
}

Task<Verdict> refusal(Probe& probe) {
    const Json body{{"model", probe.target().model}, {"stream", true}, {"messages", "none"}};
    const Reply reply = co_await send_chat(probe, json_text(body));
    const bool json = reply.header("Content-Type").starts_with("application/json");
    if (reply.status < 400 || !json) {
        co_return failed(
            fmt::format("HTTP {}, {}", reply.status, reply.header("Content-Type")),
            "a status of 4xx and application/json"
        );
    }
    co_return passed();
}

Task<Verdict> unbuffered(Probe& probe) {
    const Reply reply = co_await plain_stream(probe);
    if (reply.status != 200) {
        co_return cannot_tell("no stream: " + told(reply));
    }
    const bool says = reply.header("X-Accel-Buffering") == "no" ||
                      reply.header("Cache-Control").find("no-cache") != std::string::npos;
    co_return says ? passed()
                   : failed("neither", "Cache-Control: no-cache or X-Accel-Buffering: no");
}

}  // namespace

void add_streaming(std::vector<Check>& checks) {
    using enum Severity;
    const auto add = [&checks](
                         std::string_view id, std::vector<unsigned> traps, Severity severity,
                         std::string_view expectation, Task<Verdict> (*run)(Probe&)
                     ) {
        checks.push_back({id, std::move(traps), {Dialect::openai}, severity, expectation, run});
    };
    add("stream.content-type", {12}, must, "A stream is text/event-stream.", content_type);
    add("stream.grammar", {2, 3, 5, 8, 9}, must,
        "A stream consists of fields, comments and blank lines, with one object an event.",
        grammar);
    add("stream.done", {10, 11}, must, "[DONE] comes once, as the last event.", done);
    add("stream.role", {55}, should, "The first delta carries the role.", first_role);
    add("stream.identity", {56}, must, "All chunks have the same id.", identity);
    add("stream.created", {56}, should, "All chunks have the same time of creation.", created);
    add("stream.model", {71}, must, "Every chunk names the model that was asked for.", model);
    add("stream.finish-reason", {11, 50}, must, "One finish_reason ends the answer.",
        finish_reason);
    add("stream.choices", {54}, must, "choices is a list in every chunk, never null.", choices);
    add("stream.usage-asked", {57, 66}, must,
        "include_usage gives one last chunk with usage and choices: [].", usage_asked);
    add("stream.usage-unasked", {57}, must, "Without include_usage there is no such chunk.",
        usage_unasked);
    add("stream.usage-numbers", {66}, should, "The figures of usage add up.", usage_numbers);
    add("stream.done-in-text", {10}, must, "The text [DONE] does not end a stream.", done_in_text);
    add("stream.utf8", {1}, must, "Characters of several bytes arrive whole.", whole_utf8);
    add("stream.keep-alive", {26, 29}, must,
        "Behind a stream comes the next answer on its connection, and nothing else.", keep_alive);
    add("stream.stays-open", {26}, should,
        "A connection is not closed behind a stream that did not say so.", stays_open);
    add("stream.refusal", {12, 64}, must,
        "A request to stream that is wrong is refused by status, not by a stream.", refusal);
    add("stream.unbuffered", {97}, info, "A stream says that proxies should not buffer it.",
        unbuffered);
}

}  // namespace nova::conform

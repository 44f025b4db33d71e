// Events as Ollama's answers.
#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/clock.hpp"
#include "dialect/json_text.hpp"
#include "dialect/logprobs.hpp"
#include "dialect/ollama_answer.hpp"
#include "dialect/whole_answer.hpp"

namespace nova::dialect::ollama {
namespace {

std::string done_word(const std::optional<Finished>& finished) {
    if (!finished) {
        return "stop";
    }
    if (finished->raw == "load" || finished->raw == "unload") {
        return finished->raw;
    }
    return finished->reason == FinishReason::length ? "length" : "stop";
}

// Objects, as clients validate them; a model may have written anything (trap 85).
Result<Tree> calls_json(const std::vector<ToolCall>& calls) {
    Tree out = Tree::array();
    for (std::size_t i = 0; i < calls.size(); ++i) {
        auto arguments =
            parse_tree(calls[i].arguments.empty() ? "{}" : calls[i].arguments, "arguments");
        if (!arguments || !arguments->is_object()) {
            return fail(Error{
                .code = ErrorCode::upstream_failed,
                .message = fmt::format(
                    "The model's arguments for `{}` are no JSON object.", calls[i].name
                ),
                .word = "upstream_broken_answer",
            });
        }
        Tree call = Tree::object();
        call["id"] = calls[i].id;
        call["function"]["index"] = i;
        call["function"]["name"] = calls[i].name;
        call["function"]["arguments"] = std::move(*arguments);
        out.push_back(std::move(call));
    }
    return out;
}

// When it began, when the first content came, when it ended. Without a clock nothing is known, and
// Ollama's word for that is 0.
class Stopwatch {
public:
    explicit Stopwatch(const Clock* clock) : clock_{clock}, began_{now()} {}

    void content() { first_ = first_ ? first_ : std::optional{now()}; }

    void put_into(Tree& line, const Usage& usage) const {
        const TimePoint end = now();
        const TimePoint first = first_.value_or(end);
        line["total_duration"] = nanoseconds(began_, end);
        line["load_duration"] = 0;
        put(line, "prompt_eval_count", usage.prompt);
        line["prompt_eval_duration"] = nanoseconds(began_, first);
        put(line, "eval_count", usage.completion);
        line["eval_duration"] = nanoseconds(first, end);
    }

private:
    TimePoint now() const { return clock_ == nullptr ? TimePoint{} : clock_->now(); }

    static std::int64_t nanoseconds(TimePoint from, TimePoint to) {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(to - from).count();
    }

    const Clock* clock_;
    TimePoint began_;
    std::optional<TimePoint> first_;
};

// Lines of one answer: {"model", "created_at", "message" or "response", "done"}.
class Lines {
public:
    Lines(AnswerIdentity identity, Route route) : identity_{std::move(identity)}, route_{route} {}

    void begun(const Begun& begun) {
        // What is no time of ours is not told; some providers count milliseconds.
        constexpr std::chrono::seconds kLast =
            std::chrono::floor<std::chrono::seconds>(WallTime::max().time_since_epoch());
        if (begun.created > 0 && begun.created <= kLast.count()) {
            identity_.created = begun.created;
        }
    }

    Tree line(std::string_view text, std::string_view thinking, Tree calls) const {
        Tree out = Tree::object();
        out["model"] = identity_.model;
        out["created_at"] = rfc3339(WallTime{std::chrono::seconds{identity_.created}});
        Tree& into = route_ == Route::chat ? out["message"] : out;
        if (route_ == Route::chat) {
            into["role"] = "assistant";
        }
        into[route_ == Route::chat ? "content" : "response"] = text;
        if (!thinking.empty()) {
            into["thinking"] = thinking;
        }
        if (!calls.empty() && route_ == Route::chat) {
            into["tool_calls"] = std::move(calls);
        }
        out["done"] = false;
        return out;
    }

    static void finish(
        Tree& line, const std::optional<Finished>& finished, const Usage& usage,
        const Stopwatch& watch
    ) {
        line["done"] = true;
        line["done_reason"] = done_word(finished);
        watch.put_into(line, usage);
    }

private:
    AnswerIdentity identity_;
    Route route_;
};

void put_logprobs(Tree& line, Tree list) {
    if (list.is_array() && !list.empty()) {
        line["logprobs"] = std::move(list);
    }
}

void send(const Tree& line, std::string& out) {
    out += raw_text(line);
    out += '\n';
}

// Calls are kept until the end: Ollama's clients read each of them whole, and pieces of several may
// come mixed.
class LineWriter final : public AnswerWriter {
public:
    LineWriter(AnswerIdentity identity, Route route)
        : watch_{identity.clock}, lines_{std::move(identity), route} {}

    std::string_view content_type() const override { return "application/x-ndjson"; }

    void write(const ChatEvent& event, std::string& out) override {
        if (answer_.error) {
            return;
        }
        if (is_content(event)) {
            watch_.content();
        }
        std::visit(
            Overloaded{
                [&](const Begun& begun) { lines_.begun(begun); },
                [&](const TextDelta& piece) {
                    Tree line = lines_.line(piece.text, {}, {});
                    put_logprobs(line, tree_of(piece.logprobs));
                    send(line, out);
                },
                [&](const RefusalDelta& piece) { send(lines_.line(piece.text, {}, {}), out); },
                [&](const ReasoningDelta& piece) {
                    if (!piece.text.empty()) {
                        send(lines_.line({}, piece.text, {}), out);
                    }
                },
                [&](const Failed& failed) {
                    answer_.error = failed.error;
                    out += write_error_event(failed.error);
                },
                // KeepAlive too: lines of JSON know no comments, and clients parse every line.
                [&](const auto& other) { answer_.take(other); },
            },
            event
        );
    }

    void end(std::string& out) override {
        if (answer_.error) {
            return;
        }
        auto calls = calls_json(answer_.calls);
        if (!calls) {
            failure_ = calls.error();
            out += write_error_event(*failure_);
            return;
        }
        if (!calls->empty()) {
            send(lines_.line({}, {}, std::move(*calls)), out);
        }
        Tree last = lines_.line({}, {}, {});
        Lines::finish(last, answer_.finished, answer_.usage, watch_);
        send(last, out);
    }

    std::optional<Error> failure() const override { return failure_; }

private:
    Stopwatch watch_;
    Lines lines_;
    WholeAnswer answer_;
    std::optional<Error> failure_;
};

class WholeWriter final : public AnswerWriter {
public:
    WholeWriter(AnswerIdentity identity, Route route)
        : watch_{identity.clock}, lines_{std::move(identity), route} {}

    std::string_view content_type() const override { return "application/json"; }

    void write(const ChatEvent& event, std::string& /*out*/) override {
        if (is_content(event)) {
            watch_.content();
        }
        if (const auto* begun = std::get_if<Begun>(&event)) {
            lines_.begun(*begun);
        }
        answer_.take(event);
    }

    void end(std::string& out) override {
        if (answer_.error) {
            out += write_error(*answer_.error);
            return;
        }
        auto calls = calls_json(answer_.calls);
        if (!calls) {
            failure_ = calls.error();
            out += write_error(*failure_);
            return;
        }
        Tree line =
            lines_.line(answer_.text + answer_.refusal, answer_.reasoning, std::move(*calls));
        put_logprobs(line, logprobs_list(answer_.logprobs));
        Lines::finish(line, answer_.finished, answer_.usage, watch_);
        out += raw_text(line);
    }

    std::optional<Error> failure() const override { return failure_; }

private:
    Stopwatch watch_;
    Lines lines_;
    WholeAnswer answer_;
    std::optional<Error> failure_;
};

}  // namespace

std::unique_ptr<AnswerWriter> writer(AnswerIdentity identity, bool stream, Route route) {
    if (stream) {
        return std::make_unique<LineWriter>(std::move(identity), route);
    }
    return std::make_unique<WholeWriter>(std::move(identity), route);
}

std::vector<ChatEvent> nothing_asked(const ChatRequest& request) {
    const bool away = request.keep_alive == "0" || request.keep_alive == "\"0\"" ||
                      request.keep_alive == "\"0s\"";
    return {
        Begun{},
        Finished{
            .reason = FinishReason::other,
            .stop_sequence = {},
            .raw = away ? "unload" : "load",
        },
    };
}

std::string write_error(const Error& error) {
    Tree body = Tree::object();
    body["error"] = error.remedy.empty() ? error.message : error.message + " " + error.remedy;
    return raw_text(body);
}

std::string write_error_event(const Error& error) {
    return write_error(error) + "\n";
}

}  // namespace nova::dialect::ollama

// What Ollama answers, as events.
#include <charconv>
#include <chrono>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dialect/json_text.hpp"
#include "dialect/logprobs.hpp"
#include "dialect/ollama_answer.hpp"
#include "dialect/provider_error.hpp"
#include "dialect/whole_reader.hpp"

namespace nova::dialect::ollama {
namespace {

constexpr std::size_t kMaxLine = 16U * 1024U * 1024U;

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t length) {
    int value = 0;
    if (at + length > text.size()) {
        return std::nullopt;
    }
    const char* const begin = text.data() + at;
    const auto [end, error] = std::from_chars(begin, begin + length, value);
    return error == std::errc{} && end == begin + length ? std::optional{value} : std::nullopt;
}

// RFC 3339 as Go writes it, "2026-01-01T00:00:00.123456789+02:00", in unix seconds; 0 for anything
// else.
std::int64_t unix_seconds(std::string_view text) {
    const auto year = digits(text, 0, 4);
    const auto month = digits(text, 5, 2);
    const auto day = digits(text, 8, 2);
    const auto hour = digits(text, 11, 2);
    const auto minute = digits(text, 14, 2);
    const auto second = digits(text, 17, 2);
    if (!year || !month || !day || !hour || !minute || !second) {
        return 0;
    }
    const std::chrono::year_month_day date{
        std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
        std::chrono::day{static_cast<unsigned>(*day)}
    };
    if (!date.ok()) {
        return 0;
    }
    std::int64_t offset = 0;
    const std::size_t sign = text.find_first_of("+-", 19);
    if (sign != std::string_view::npos) {
        const std::int64_t away =
            digits(text, sign + 1, 2).value_or(0) * 60 + digits(text, sign + 4, 2).value_or(0);
        offset = text[sign] == '-' ? -away : away;
    }
    return std::chrono::sys_days{date}.time_since_epoch().count() * 86400 + *hour * 3600 +
           *minute * 60 + *second - offset * 60;
}

// One answer's state, fed with its lines.
class Assembly {
public:
    void take(const Tree& object, std::vector<ChatEvent>& out) {
        if (over()) {
            return;
        }
        const Tree& error = member(object, "error");
        if (!error.is_null() && error != Tree("")) {
            fail_with(error_from(200, object), out);  // in spite of the status 200 (trap 81)
            return;
        }
        if (!object.contains("message") && !object.contains("response") &&
            !object.contains("done")) {
            fail_with(broken("sent something that is not Ollama's answer"), out);
            return;
        }
        begin(object, out);
        const Tree& message = member(object, "message");
        take_content(message.is_object() ? message : object, object, out);
        if (member(object, "done") == Tree(true)) {
            finish(object, out);
        }
    }

    void fail_with(Error error, std::vector<ChatEvent>& out) {
        failed_ = true;
        out.emplace_back(Failed{std::move(error)});
    }

    bool over() const { return failed_ || finished_; }

private:
    void begin(const Tree& object, std::vector<ChatEvent>& out) {
        if (begun_) {
            return;
        }
        begun_ = true;
        out.emplace_back(Begun{
            .id = {},
            .model = text_of(member(object, "model")),
            .created = unix_seconds(text_of(member(object, "created_at"))),
        });
    }

    // Both may stand in one line: the thinking comes first (trap 86).
    void take_content(const Tree& value, const Tree& line, std::vector<ChatEvent>& out) {
        if (auto text = text_of(member(value, "thinking")); !text.empty()) {
            out.emplace_back(ReasoningDelta{.text = std::move(text), .signature = {}});
        }
        RawJson tokens = logprobs_from(member(line, "logprobs"));
        for (const char* key : {"content", "response"}) {  // of chat, of generate
            auto text = text_of(member(value, key));
            if (!text.empty() || (value.contains(key) && !tokens.empty())) {
                out.emplace_back(
                    TextDelta{.text = std::move(text), .logprobs = std::exchange(tokens, RawJson{})}
                );
            }
        }
        const Tree& calls = member(value, "tool_calls");
        for (std::size_t i = 0; calls.is_array() && i < calls.size(); ++i) {
            take_call(calls[i], out);
        }
    }

    // Calls come whole; their index is missing or 0 for all with some versions (trap 85).
    void take_call(const Tree& value, std::vector<ChatEvent>& out) {
        const Tree& function = member(value, "function");
        std::string id = text_of(member(value, "id"));
        if (id.empty()) {
            id = fmt::format("call_{}", calls_);
        }
        out.emplace_back(ToolCallBegun{
            .index = calls_,
            .id = std::move(id),
            .name = text_of(member(function, "name")),
        });
        out.emplace_back(ToolArgumentsDelta{
            .index = calls_,
            .json = arguments_text(&member(function, "arguments")),
        });
        ++calls_;
    }

    FinishReason reason_from(std::string_view word) const {
        if (word == "length") {
            return FinishReason::length;
        }
        if (word.empty() || word == "stop") {
            return calls_ > 0 ? FinishReason::tool_calls : FinishReason::stop;  // trap 50
        }
        return FinishReason::other;  // load, unload and what is yet to come (trap 84)
    }

    void finish(const Tree& object, std::vector<ChatEvent>& out) {
        finished_ = true;
        std::string word = text_of(member(object, "done_reason"));
        const FinishReason reason = reason_from(word);
        out.emplace_back(Finished{.reason = reason, .stop_sequence = {}, .raw = std::move(word)});
        const auto prompt = count_in(object, "prompt_eval_count");
        const auto completion = count_in(object, "eval_count");
        if (prompt || completion) {  // zeros are left out, and both of a warm-up
            out.emplace_back(Usage{
                .prompt = prompt,
                .completion = completion,
                .cached = std::nullopt,
                .cache_write = std::nullopt,
                .reasoning = std::nullopt,
            });
        }
    }

    bool begun_ = false;
    bool finished_ = false;
    bool failed_ = false;
    std::uint32_t calls_ = 0;
};

constexpr std::string_view kCutShort = "ended its answer before it was complete";

// Lines that are no JSON are what a proxy or a crashing runner says (trap 82).
Error unreadable(std::string_view text) {
    Error error = error_from_body(200, text);
    error.word = "upstream_broken_answer";
    return error;
}

void take_text(std::string_view text, Assembly& assembly, std::vector<ChatEvent>& out) {
    const auto objects = parse_objects(text);
    if (objects.empty()) {
        assembly.fail_with(unreadable(text), out);
        return;
    }
    for (const Tree& object : objects) {
        assembly.take(object, out);
    }
}

class LineReader final : public AnswerReader {
public:
    void feed(std::string_view bytes, std::vector<ChatEvent>& out) override {
        while (!assembly_.over() && !bytes.empty()) {
            const std::size_t end = bytes.find('\n');
            const std::string_view piece = bytes.substr(0, end);
            if (line_.size() + piece.size() > kMaxLine) {
                assembly_.fail_with(broken("sent a line that is too large"), out);
                return;
            }
            line_.append(piece);
            if (end == std::string_view::npos) {
                return;
            }
            take_line(out);
            bytes.remove_prefix(end + 1);
        }
    }

    void end(std::vector<ChatEvent>& out) override {
        take_line(out);  // the last one may lack its end (trap 94)
        if (!assembly_.over()) {
            assembly_.fail_with(broken(kCutShort), out);
        }
    }

private:
    void take_line(std::vector<ChatEvent>& out) {
        if (!assembly_.over() && line_.find_first_not_of(" \t\r") != std::string::npos) {
            take_text(line_, assembly_, out);
        }
        line_.clear();
    }

    std::string line_;
    Assembly assembly_;
};

void take_whole(std::string_view body, std::vector<ChatEvent>& out) {
    Assembly assembly;
    take_text(body, assembly, out);
    if (!assembly.over()) {
        assembly.fail_with(broken(kCutShort), out);
    }
}

}  // namespace

std::unique_ptr<AnswerReader> reader(bool stream) {
    if (stream) {
        return std::make_unique<LineReader>();
    }
    return collecting_reader(take_whole);
}

Error read_error(int status, std::string_view body) {
    Error error = error_from_body(status, body);
    if (status == 404 && error.message.find("model") != std::string::npos) {
        error.word = "model_not_found";
    } else if (status == 499) {
        error.code = ErrorCode::cancelled;
    }
    return error;
}

}  // namespace nova::dialect::ollama

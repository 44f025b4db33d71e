// The last kilobytes of an answer and the words for usage in each dialect.
#include "gateway/usage_tap.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "gateway/json_scan.hpp"

namespace nova::gateway {
namespace {

using dialect::Dialect;
using dialect::Usage;

// Usage is among the last few hundred bytes of every answer known; what follows it is short.
constexpr std::size_t kTail = 2048;
// Behind the name: the object and its details.
constexpr std::size_t kUsageBytes = 1024;
constexpr std::size_t kNone = std::string_view::npos;

// From the first or the last object of that name on; empty when there is none.
std::string_view object_in(std::string_view text, std::string_view quoted_name, bool first) {
    std::string_view found;
    for (std::size_t at = find_value(text, quoted_name); at != kNone;
         at = find_value(text, quoted_name, at)) {
        if (text[at] == '{') {
            found = text.substr(at, kUsageBytes);
            if (first) {
                break;
            }
        }
    }
    return found;
}

// Nearly always among the last few bytes.
std::string_view last_object(std::string_view text, std::string_view quoted_name) {
    constexpr std::size_t kNearEnd = 256;
    const std::string_view end = text.substr(text.size() - std::min(text.size(), kNearEnd));
    const std::string_view found = object_in(end, quoted_name, false);
    return found.empty() && end.size() < text.size() ? object_in(text, quoted_name, false) : found;
}

Usage openai_usage(std::string_view text) {
    if (const auto object = last_object(text, R"("usage")"); !object.empty()) {
        std::array<NamedNumber, 6> numbers{{
            {R"("prompt_tokens")"},
            {R"("completion_tokens")"},
            {R"("input_tokens")"},  // so responses call them
            {R"("output_tokens")"},
            {R"("cached_tokens")"},
            {R"("reasoning_tokens")"},
        }};
        last_numbers(object, numbers);
        const auto& [prompt, completion, input, output, cached, reasoning] = numbers;
        return Usage{
            .prompt = prompt.value ? prompt.value : input.value,
            .completion = completion.value ? completion.value : output.value,
            .cached = cached.value,
            .cache_write = {},
            .reasoning = reasoning.value,
        };
    }
    // llama.cpp says so in its last chunk, asked or not.
    const auto timings = last_object(text, R"("timings")");
    if (timings.empty()) {
        return {};
    }
    std::array<NamedNumber, 3> numbers{{{R"("prompt_n")"}, {R"("predicted_n")"}, {R"("cache_n")"}}};
    last_numbers(timings, numbers);
    Usage usage{
        .prompt = numbers[0].value,
        .completion = numbers[1].value,
        .cached = numbers[2].value,
        .cache_write = {},
        .reasoning = {},
    };
    if (usage.prompt && usage.cached) {
        *usage.prompt += *usage.cached;
    }
    return usage;
}

Usage anthropic_usage(std::string_view object) {
    std::array<NamedNumber, 4> numbers{{
        {R"("input_tokens")"},
        {R"("output_tokens")"},
        {R"("cache_read_input_tokens")"},
        {R"("cache_creation_input_tokens")"},
    }};
    last_numbers(object, numbers);
    Usage usage{
        .prompt = numbers[0].value,
        .completion = numbers[1].value,
        .cached = numbers[2].value,
        .cache_write = numbers[3].value,
        .reasoning = {},
    };
    if (usage.prompt) {
        *usage.prompt += usage.cached.value_or(0) + usage.cache_write.value_or(0);  // trap 66
    }
    return usage;
}

Usage ollama_usage(std::string_view text) {
    return Usage{
        .prompt = last_number(text, R"("prompt_eval_count")"),
        .completion = last_number(text, R"("eval_count")"),
        .cached = {},
        .cache_write = {},
        .reasoning = {},
    };
}

Usage either(const Usage& newer, const Usage& older) {
    const auto pick = [](const auto& one, const auto& other) { return one ? one : other; };
    return Usage{
        .prompt = pick(newer.prompt, older.prompt),
        .completion = pick(newer.completion, older.completion),
        .cached = pick(newer.cached, older.cached),
        .cache_write = pick(newer.cache_write, older.cache_write),
        .reasoning = pick(newer.reasoning, older.reasoning),
    };
}

// At the start of a line only: a model may write it too (trap 10).
bool ends_with_done(std::string_view text) {
    const std::size_t done = text.rfind("[DONE]");
    if (done == kNone) {
        return false;
    }
    std::string_view before = text.substr(0, done);
    before = before.substr(0, before.find_last_not_of(' ') + 1);
    if (!before.ends_with("data:")) {
        return false;
    }
    before.remove_suffix(5);
    return before.empty() || before.ends_with('\n') || before.ends_with('\r');
}

std::uint64_t lines_of_event(Dialect dialect) {
    switch (dialect) {
    case Dialect::anthropic:
        return 3;  // event, data, empty
    case Dialect::ollama:
    case Dialect::ollama_generate:
        return 1;
    case Dialect::openai:
    case Dialect::openai_text:
    case Dialect::nova:
        break;
    }
    return 2;
}

}  // namespace

UsageTap::UsageTap(Dialect dialect, Operation operation, Kind kind)
    : dialect_{dialect}, operation_{operation}, kind_{kind},
      lines_per_event_{lines_of_event(dialect)} {}

void UsageTap::begin(std::string_view first) {
    if (dialect_ == Dialect::anthropic || operation_ == Operation::embedding) {
        first_ = usage_in(first.substr(0, kTail), Which::first);
    }
}

void UsageTap::note(std::string_view bytes) {
    if (kind_ == Kind::stream) {
        if (tail_.capacity() < 2 * kTail) {
            tail_.reserve(2 * kTail);
        }
        const char* at = bytes.data();
        const char* const end = at + bytes.size();
        while (at != end) {
            const void* const found = std::memchr(at, '\n', static_cast<std::size_t>(end - at));
            if (found == nullptr) {
                break;
            }
            ++lines_;
            at = static_cast<const char*>(found) + 1;
        }
    }
    if (bytes.size() >= kTail) {
        tail_.assign(bytes.substr(bytes.size() - kTail));
        return;
    }
    if (tail_.size() + bytes.size() > 2 * kTail) {
        tail_.erase(0, tail_.size() - kTail);
    }
    tail_.append(bytes);
}

bool UsageTap::complete() const {
    if (operation_ == Operation::responses) {
        return tail_.find("response.completed") != kNone ||
               tail_.find("response.incomplete") != kNone ||
               tail_.find("response.failed") != kNone || tail_.find("[DONE]") != kNone;
    }
    switch (dialect_) {
    case Dialect::openai:
    case Dialect::openai_text:
    case Dialect::nova:
        return ends_with_done(tail_) || has_value(tail_, R"("finish_reason")");
    case Dialect::anthropic:
        return tail_.find("message_stop") != kNone;
    case Dialect::ollama:
    case Dialect::ollama_generate:
        // Behind "done" the last line of /api/generate has the context, a list that may be longer
        // than what is kept, and then the times, which no other line has.
        return has_value(tail_, R"("done")") || has_value(tail_, R"("total_duration")");
    }
    return true;
}

Usage UsageTap::usage() const {
    return either(usage_in(tail_, Which::last), first_);
}

Usage UsageTap::usage_in(std::string_view text, Which which) const {
    switch (dialect_) {
    case Dialect::anthropic:
        // message_start says what went in, the last message_delta what came out.
        return anthropic_usage(object_in(text, R"("usage")", which == Which::first));
    case Dialect::ollama:
    case Dialect::ollama_generate:
        return ollama_usage(text);
    case Dialect::openai:
    case Dialect::openai_text:
    case Dialect::nova:
        break;
    }
    return openai_usage(text);
}

}  // namespace nova::gateway

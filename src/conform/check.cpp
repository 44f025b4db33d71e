// The list of checks, and the words for what they say.
#include "conform/check.hpp"

#include <utility>

#include "conform/themes.hpp"

namespace nova::conform {

Verdict passed() {
    return {.outcome = Outcome::pass};
}

Verdict failed(std::string observed, std::string expected) {
    return {
        .outcome = Outcome::fail, .observed = std::move(observed), .expected = std::move(expected)
    };
}

Verdict cannot_tell(std::string why) {
    return {.outcome = Outcome::unknown, .observed = std::move(why)};
}

const std::vector<Check>& all_checks() {
    static const std::vector<Check> kChecks = [] {
        std::vector<Check> checks;
        add_framing(checks);
        add_limits(checks);
        add_edge(checks);
        add_streaming(checks);
        add_errors(checks);
        add_requests(checks);
        add_models(checks);
        add_tools(checks);
        add_anthropic(checks);
        add_ollama(checks);
        add_cancelling(checks);  // last: what it leaves running would slow the others
        return checks;
    }();
    return kChecks;
}

std::string_view word_of(Dialect dialect) {
    switch (dialect) {
    case Dialect::openai:
        return "openai";
    case Dialect::anthropic:
        return "anthropic";
    case Dialect::ollama:
        return "ollama";
    }
    return "";
}

std::string_view word_of(Severity severity) {
    switch (severity) {
    case Severity::must:
        return "must";
    case Severity::should:
        return "should";
    case Severity::info:
        return "info";
    }
    return "";
}

std::string_view word_of(Outcome outcome) {
    switch (outcome) {
    case Outcome::pass:
        return "pass";
    case Outcome::fail:
        return "fail";
    case Outcome::unknown:
        return "unknown";
    }
    return "";
}

std::optional<Dialect> dialect_from(std::string_view word) {
    for (const Dialect dialect : {Dialect::openai, Dialect::anthropic, Dialect::ollama}) {
        if (word_of(dialect) == word) {
            return dialect;
        }
    }
    return std::nullopt;
}

}  // namespace nova::conform

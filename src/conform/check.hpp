// One trap of serving language models, as something that can be tried on an endpoint.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/task.hpp"

namespace nova::conform {

enum class Dialect : std::uint8_t { openai, anthropic, ollama };

// must: clients break or come to harm. should: clients are surprised. info: worth knowing.
enum class Severity : std::uint8_t { must, should, info };

enum class Outcome : std::uint8_t { pass, fail, unknown };

struct Verdict {
    Outcome outcome = Outcome::unknown;
    std::string observed{};
    std::string expected{};
};

Verdict passed();
Verdict failed(std::string observed, std::string expected);
// Neither: the endpoint or its model gave nothing to judge by.
Verdict cannot_tell(std::string why);

class Probe;

struct Check {
    std::string_view id;            // "stream.done"
    std::vector<unsigned> traps;    // numbers of docs/traps.md; may be empty
    std::vector<Dialect> dialects;  // empty: about HTTP, tried in whichever dialect is spoken
    Severity severity = Severity::must;
    std::string_view expectation;  // one sentence
    // The probe outlives it. Sends what it needs and judges the answers; never fails itself.
    Task<Verdict> (*run)(Probe&) = nullptr;
};

// In the order in which they run.
const std::vector<Check>& all_checks();

std::string_view word_of(Dialect dialect);
std::string_view word_of(Severity severity);
std::string_view word_of(Outcome outcome);
std::optional<Dialect> dialect_from(std::string_view word);

}  // namespace nova::conform

// Runs the checks on one endpoint, one after the other.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "conform/probe.hpp"

namespace nova::conform {

struct SuiteOptions {
    std::vector<Dialect> dialects{};  // empty: those that answer
    std::vector<std::string> only{};  // ids, or the word in front of their dot; empty: all
};

struct Row {
    const Check* check = nullptr;
    Verdict verdict{};
    std::chrono::milliseconds took{0};
};

struct Report {
    std::string url{};
    std::string model{};
    std::vector<Dialect> dialects{};
    std::vector<Row> rows{};

    unsigned count(Outcome outcome) const;
    unsigned musts_failed() const;
};

// Whether that word of --only means the check.
bool is_meant(const Check& check, std::string_view word);

// What answers there; fills in the target's model, and embed_model where one is named like it.
// Errors: unavailable, unauthorized, unsupported (it speaks none of the dialects; or no model is
// there to ask).
Task<Result<std::vector<Dialect>>> look_around(Probe& probe, std::vector<Dialect> wanted);

// seen: called behind each check; may be empty. Errors as look_around(). The probe outlives it.
Task<Result<Report>>
run_suite(Probe& probe, SuiteOptions options, std::function<void(const Row&)> seen);

}  // namespace nova::conform

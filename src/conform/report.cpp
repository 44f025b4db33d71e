// Lines and objects.
#include "conform/report.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace nova::conform {
namespace {

constexpr std::size_t kMarkWidth = 5;

std::string_view colour_of(const Row& row) {
    switch (row.verdict.outcome) {
    case Outcome::pass:
        return "\x1b[32m";
    case Outcome::unknown:
        return "\x1b[33m";
    case Outcome::fail:
        return row.check->severity == Severity::must ? "\x1b[31m" : "\x1b[35m";
    }
    return "";
}

std::string_view mark_of(Outcome outcome) {
    switch (outcome) {
    case Outcome::pass:
        return "pass";
    case Outcome::fail:
        return "FAIL";
    case Outcome::unknown:
        return "?";
    }
    return "";
}

std::string traps_of(const Check& check) {
    return fmt::format("{}", fmt::join(check.traps, ", "));
}

const Row* row_of(const Report& report, const Check* check) {
    const auto found = std::ranges::find(report.rows, check, &Row::check);
    return found == report.rows.end() ? nullptr : &*found;
}

}  // namespace

std::string coloured(const Row& row, std::string_view line) {
    const std::size_t word = std::min(kMarkWidth, line.size());
    return fmt::format("{}{}\x1b[0m{}", colour_of(row), line.substr(0, word), line.substr(word));
}

std::string line_of(const Row& row) {
    std::string line =
        fmt::format("{:<{}} {}", mark_of(row.verdict.outcome), kMarkWidth, row.check->id);
    switch (row.verdict.outcome) {
    case Outcome::pass:
        break;
    case Outcome::unknown:
        line += "\n      cannot tell: " + row.verdict.observed;
        break;
    case Outcome::fail:
        line += fmt::format(
            "  ({}{})\n      {}\n      observed: {}\n      expected: {}",
            word_of(row.check->severity),
            row.check->traps.empty() ? "" : "; traps " + traps_of(*row.check),
            row.check->expectation, row.verdict.observed, row.verdict.expected
        );
        break;
    }
    return line;
}

std::string summary_of(const Report& report) {
    return fmt::format(
        "{} pass, {} fail ({} must), {} cannot tell", report.count(Outcome::pass),
        report.count(Outcome::fail), report.musts_failed(), report.count(Outcome::unknown)
    );
}

Json json_of(const Check& check) {
    Json dialects = Json::array();
    for (const Dialect dialect : check.dialects) {
        dialects.push_back(word_of(dialect));
    }
    return Json{
        {"id", check.id},
        {"severity", word_of(check.severity)},
        {"traps", check.traps},
        {"dialects", std::move(dialects)},
        {"expectation", check.expectation}
    };
}

Json json_of(const Report& report) {
    Json rows = Json::array();
    for (const Row& row : report.rows) {
        Json entry = json_of(*row.check);
        entry["outcome"] = word_of(row.verdict.outcome);
        entry["observed"] = row.verdict.observed;
        entry["expected"] = row.verdict.expected;
        entry["took_ms"] = row.took.count();
        rows.push_back(std::move(entry));
    }
    Json dialects = Json::array();
    for (const Dialect dialect : report.dialects) {
        dialects.push_back(word_of(dialect));
    }
    return Json{
        {"url", report.url},
        {"model", report.model},
        {"dialects", std::move(dialects)},
        {"passed", report.count(Outcome::pass)},
        {"failed", report.count(Outcome::fail)},
        {"must_failed", report.musts_failed()},
        {"unknown", report.count(Outcome::unknown)},
        {"checks", std::move(rows)}
    };
}

std::vector<Difference> differences(const Report& one, const Report& other) {
    std::vector<Difference> found;
    for (const Check& check : all_checks()) {
        const Row* first = row_of(one, &check);
        const Row* second = row_of(other, &check);
        if (first == nullptr && second == nullptr) {
            continue;
        }
        const Verdict not_asked = cannot_tell("this dialect is not spoken there");
        Difference difference{
            .check = &check,
            .one = first != nullptr ? first->verdict : not_asked,
            .other = second != nullptr ? second->verdict : not_asked
        };
        if (difference.one.outcome != difference.other.outcome) {
            found.push_back(std::move(difference));
        }
    }
    return found;
}

std::string line_of(const Difference& difference) {
    const auto side = [](const Verdict& verdict) {
        return verdict.observed.empty()
                   ? std::string{mark_of(verdict.outcome)}
                   : fmt::format("{} ({})", mark_of(verdict.outcome), verdict.observed);
    };
    return fmt::format(
        "{}\n      here:    {}\n      against: {}", difference.check->id, side(difference.one),
        side(difference.other)
    );
}

Json json_of(const std::vector<Difference>& differences) {
    Json list = Json::array();
    for (const Difference& difference : differences) {
        list.push_back({
            {"id", difference.check->id},
            {"outcome", word_of(difference.one.outcome)},
            {"observed", difference.one.observed},
            {"against_outcome", word_of(difference.other.outcome)},
            {"against_observed", difference.other.observed},
        });
    }
    return list;
}

std::string listed(const Check& check) {
    return fmt::format(
        "{:<30} {:<6} {:<12} {}", check.id, word_of(check.severity), traps_of(check),
        check.expectation
    );
}

}  // namespace nova::conform

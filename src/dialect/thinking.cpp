// The table between words and tokens of thinking.
#include "dialect/thinking.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace nova::dialect {
namespace {

using namespace std::string_view_literals;

constexpr std::array kBudgets{
    std::pair{"none"sv, std::int64_t{0}},      std::pair{"minimal"sv, kLeastThinking},
    std::pair{"low"sv, std::int64_t{2048}},    std::pair{"medium"sv, std::int64_t{8192}},
    std::pair{"high"sv, std::int64_t{16'384}}, std::pair{"xhigh"sv, std::int64_t{24'576}},
    std::pair{"max"sv, std::int64_t{32'000}},
};

}  // namespace

std::int64_t budget_of(std::string_view effort) {
    const auto* const found =
        std::ranges::find(kBudgets, effort, &std::pair<std::string_view, std::int64_t>::first);
    return found == kBudgets.end() ? budget_of("medium") : found->second;
}

std::string_view effort_of(std::int64_t budget) {
    if (budget <= 0) {
        return "none";
    }
    if (budget < budget_of("medium")) {
        return "low";
    }
    return budget < budget_of("high") ? "medium" : "high";
}

}  // namespace nova::dialect

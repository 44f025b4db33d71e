#include <map>
#include <string>

#include <gtest/gtest.h>

#include "gateway/rate_fields.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;

std::map<std::string, std::string> fields_of(const RateState& state) {
    const RateFields fields{state};
    std::map<std::string, std::string> texts;
    for (const net::HeaderView& field : fields.view()) {
        texts.emplace(field.name, field.value);
    }
    return texts;
}

TEST(RateFields, NameLimitRestAndReset) {
    const std::map<std::string, std::string> wanted{
        {"x-ratelimit-limit-requests", "60"},     {"x-ratelimit-remaining-requests", "59"},
        {"x-ratelimit-reset-requests", "1.000s"}, {"x-ratelimit-limit-tokens", "1000"},
        {"x-ratelimit-remaining-tokens", "0"},    {"x-ratelimit-reset-tokens", "75.250s"},
    };
    EXPECT_EQ(
        fields_of(
            {.requests = Rate{.limit = 60, .remaining = 59, .reset = 1s},
             .tokens = Rate{.limit = 1000, .remaining = 0, .reset = 75'250ms}}
        ),
        wanted
    );
}

TEST(RateFields, SayNothingOfALimitThatIsNotThere) {
    EXPECT_TRUE(fields_of({}).empty());
    EXPECT_EQ(fields_of({.requests = {}, .tokens = Rate{.limit = 5}}).size(), 3U);
}

TEST(RateFields, KeepTheLargestNumbersWhole) {
    const auto texts = fields_of({.requests = Rate{.limit = UINT64_MAX, .remaining = UINT64_MAX}});
    EXPECT_EQ(texts.at("x-ratelimit-limit-requests"), "18446744073709551615");
}

}  // namespace
}  // namespace nova::gateway

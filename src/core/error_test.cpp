#include <set>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/result.hpp"

namespace nova {
namespace {

TEST(ErrorPolicy, EveryCodeHasAWordThatLeadsBackToIt) {
    std::set<std::string_view> words;
    for (int i = 0; i <= std::to_underlying(ErrorCode::internal); ++i) {
        const auto code = static_cast<ErrorCode>(i);
        const ErrorPolicy& row = policy(code);
        EXPECT_TRUE(words.insert(row.word).second) << row.word;
        EXPECT_EQ(error_code_from(row.word), code) << row.word;
        EXPECT_GE(row.http_status, 400) << row.word;
        EXPECT_LT(row.http_status, 600) << row.word;
        EXPECT_FALSE(row.openai_type.empty()) << row.word;
        EXPECT_NE(row.exit_code, ExitCode::ok) << row.word;
    }
    EXPECT_FALSE(error_code_from("no_such_word").has_value());
}

TEST(ErrorPolicy, TheClientsOwnMistakesNeverFallBack) {
    // contract.md 6: never on 400, 404, 413, 422.
    for (const ErrorCode code :
         {ErrorCode::invalid_argument, ErrorCode::not_found, ErrorCode::too_large,
          ErrorCode::unprocessable, ErrorCode::unauthorized, ErrorCode::forbidden}) {
        EXPECT_FALSE(policy(code).fall_back) << policy(code).word;
        EXPECT_FALSE(policy(code).retry) << policy(code).word;
    }
    for (const ErrorCode code :
         {ErrorCode::timeout, ErrorCode::unavailable, ErrorCode::rate_limited,
          ErrorCode::upstream_failed}) {
        EXPECT_TRUE(policy(code).fall_back) << policy(code).word;
    }
}

TEST(ErrorPolicy, AFinerWordReplacesTheCodesOwn) {
    Error error{.code = ErrorCode::not_found, .message = "m"};
    EXPECT_EQ(error.name(), "not_found");
    error.word = "model_not_found";
    EXPECT_EQ(error.name(), "model_not_found");
}

TEST(Result, PropagateKeepsTheErrorAndPutsContextInFront) {
    const Result<int> failed = fail(ErrorCode::exhausted, "no space left", "free some");
    const Result<std::string> up = propagate(failed, "pulling x");
    ASSERT_FALSE(up);
    EXPECT_EQ(up.error().message, "pulling x: no space left");
    EXPECT_EQ(up.error().remedy, "free some");
    EXPECT_EQ(up.error().code, ErrorCode::exhausted);
}

}  // namespace
}  // namespace nova

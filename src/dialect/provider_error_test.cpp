// What providers' refusals mean.
#include <gtest/gtest.h>

#include "dialect/provider_error.hpp"

namespace nova::dialect {
namespace {

struct Row {
    int status;
    std::string_view body;
    ErrorCode code;
    std::string_view word;
    std::string_view message;
};

TEST(ProviderError, KeepsTheSentenceAndTheCode) {
    const Row rows[] = {
        {400, R"({"error":{"message":"too long","type":"x","code":"context_length_exceeded"}})",
         ErrorCode::invalid_argument, "context_length_exceeded", "too long"},
        {429, R"({"error":"slow down"})", ErrorCode::rate_limited, "rate_limited", "slow down"},
        {500, R"({"detail":"boom"})", ErrorCode::upstream_failed, "upstream_failed", "boom"},
        {529, R"({"type":"error","error":{"type":"overloaded_error","message":"busy"}})",
         ErrorCode::unavailable, "overloaded_error", "busy"},
        {401, R"({"error":{"message":"bad key","code":"invalid_api_key"}})",
         ErrorCode::upstream_failed, "upstream_auth_error",
         "The provider refused nova's credentials (HTTP 401): bad key"},
        {502, "<html><body>Bad gateway</body></html>", ErrorCode::upstream_failed,
         "upstream_failed", "The provider answered with HTTP 502."},
        {503, "no backend\nleft", ErrorCode::unavailable, "unavailable", "no backend left"},
        {200, R"({"error":{"message":"m","code":429}})", ErrorCode::rate_limited, "rate_limited",
         "m"},
        {200, R"({"error":{"message":"m","type":"overloaded_error"}})", ErrorCode::unavailable,
         "overloaded_error", "m"},
        {200, R"({"type":"error","error":{"type":"billing_error","message":"m"}})",
         ErrorCode::upstream_failed, "billing_error", "m"},
        {400, R"([{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}])",
         ErrorCode::invalid_argument, "INVALID_ARGUMENT", "m"},
        {404, "", ErrorCode::not_found, "not_found", "The provider answered with HTTP 404."},
    };
    for (const Row& row : rows) {
        const Error error = error_from_body(row.status, row.body);
        EXPECT_EQ(error.code, row.code) << row.body;
        EXPECT_EQ(error.name(), row.word) << row.body;
        EXPECT_EQ(error.message, row.message);
    }
}

TEST(ProviderError, BoundsWhatItRepeats) {
    EXPECT_LE(error_from_body(500, std::string(100'000, 'x')).message.size(), 510U);
}

}  // namespace
}  // namespace nova::dialect

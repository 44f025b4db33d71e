#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "gateway/openai_error.hpp"

namespace nova::gateway {
namespace {

TEST(OpenAiError, HasTheFourMembersClientsRead) {
    const Error error{
        .code = ErrorCode::not_found, .message = "No.", .word = "model_not_found", .remedy = "Do."
    };
    const auto body = nlohmann::json::parse(openai_error_body(error));
    EXPECT_EQ(
        body.dump(), R"({"error":{"code":"model_not_found","message":"No. Do.","param":null,)"
                     R"("type":"invalid_request_error"}})"
    );
}

TEST(OpenAiError, LoadingLeavesOutWhatIsNotKnown) {
    const Error error{.code = ErrorCode::unavailable, .message = "Wait."};
    const auto known = nlohmann::json::parse(
        openai_error_body(error, Loading{.phase = "starting", .progress = 0.25, .eta_s = 3.0})
    );
    EXPECT_EQ(known["loading"].dump(), R"({"eta_s":3.0,"phase":"starting","progress":0.25})");
    const auto unknown =
        nlohmann::json::parse(openai_error_body(error, Loading{.phase = "pulling"}));
    EXPECT_EQ(unknown["loading"].dump(), R"({"phase":"pulling"})");
}

TEST(OpenAiError, BrokenUtf8InANameStillGivesValidJson) {
    const Error error{.code = ErrorCode::not_found, .message = "model \xff\xfe"};
    EXPECT_TRUE(nlohmann::json::accept(openai_error_body(error)));
}

TEST(OpenAiError, TheEventIsOneDataLine) {
    const std::string event =
        openai_error_event({.code = ErrorCode::upstream_failed, .message = "a\nb"});
    EXPECT_TRUE(event.starts_with("data: {"));
    EXPECT_TRUE(event.ends_with("}\n\n"));
    EXPECT_EQ(event.find('\n'), event.size() - 2);
}

}  // namespace
}  // namespace nova::gateway

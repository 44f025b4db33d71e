#include <gtest/gtest.h>

#include "dialect/codec.hpp"
#include "dialect/token_estimate.hpp"

namespace nova::dialect {
namespace {

std::uint64_t estimate(std::string_view body) {
    const auto request = anthropic_codec().read_request(body);
    EXPECT_TRUE(request) << body;
    return request ? estimated_prompt_tokens(*request) : 0;
}

TEST(TokenEstimate, CountsEverythingTheModelWouldRead) {
    EXPECT_EQ(estimate(R"({"model":"m","messages":[{"role":"user","content":"12345678"}]})"), 6U);
    EXPECT_EQ(
        estimate(
            R"({"model":"m","system":"1234","messages":[{"role":"user","content":"\u00e4\u00f6"}]})"
        ),
        10U
    ) << "two messages, six characters whatever their bytes";
    const std::uint64_t with_tool =
        estimate(R"({"model":"m","messages":[{"role":"user","content":"12345678"}],)"
                 R"("tools":[{"name":"f","description":"abc","input_schema":{"type":"object"}}]})");
    EXPECT_EQ(with_tool, 12U) << "29 characters and a message";
    const std::uint64_t with_image =
        estimate(R"({"model":"m","messages":[{"role":"user","content":[{"type":"image","source":)"
                 R"({"type":"base64","media_type":"image/png","data":"AAAA"}}]}]})");
    EXPECT_EQ(with_image, 1604U);
}

}  // namespace
}  // namespace nova::dialect

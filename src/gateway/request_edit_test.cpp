// Splices keep every other byte.
#include <gtest/gtest.h>

#include "gateway/request_edit.hpp"

namespace nova::gateway {
namespace {

std::string edited(std::string body, const RequestEdits& edits) {
    RequestPeeker peeker;
    const auto peek = peeker.peek(body);
    EXPECT_TRUE(peek);
    const auto made = edited_request(body, *peek, edits);
    EXPECT_TRUE(made);
    return made ? made->text : "";
}

TEST(EditedRequest, SplicesTheModelAndTheWishForUsage) {
    EXPECT_EQ(
        edited(R"({ "n":1.0, "model" : "a/b", "x":{"model":"y"}} )", {.model = "c\"d"}),
        R"({ "n":1.0, "model" : "c\"d", "x":{"model":"y"}} )"
    );
    EXPECT_EQ(
        edited("{\"model\":\"a\",\"big\":12345678901234567890123}\n", {.ask_for_usage = true}),
        "{\"model\":\"a\",\"big\":12345678901234567890123,"
        "\"stream_options\":{\"include_usage\":true}}\n"
    );
    EXPECT_EQ(
        edited(R"({"stream":true,"model":"a"})", {.model = "b", .ask_for_usage = true}),
        R"({"stream":true,"model":"b","stream_options":{"include_usage":true}})"
    );
}

TEST(EditedRequest, KeepsOtherStreamOptions) {
    EXPECT_EQ(
        edited(
            R"({"model":"a","stream_options":{"include_usage":false,"x":1}})",
            {.ask_for_usage = true}
        ),
        R"({"model":"a","stream_options":{"include_usage":true,"x":1}})"
    );
    EXPECT_EQ(
        edited(R"({"stream_options":null,"model":"a"})", {.ask_for_usage = true}),
        R"({"stream_options":{"include_usage":true},"model":"a"})"
    );
}

TEST(EditedRequest, MeetsTheProvidersQuirks) {
    const dialect::WriteOptions quirks{
        .max_completion_tokens = true,
        .unsupported = {"logit_bias"},
        .defaults = {{"temperature", "0.5"}, {"top_p", "0.9"}},
    };
    EXPECT_EQ(
        edited(R"({"model":"a","max_tokens":5,"logit_bias":{},"top_p":1})", {.quirks = &quirks}),
        R"({"model":"a","top_p":1,"max_completion_tokens":5,"temperature":0.5})"
    );
    EXPECT_EQ(
        edited(
            R"({"model":"a","max_tokens":5,"max_completion_tokens":7,"temperature":1,"top_p":1})",
            {.quirks = &quirks}
        ),
        R"({"model":"a","max_completion_tokens":7,"temperature":1,"top_p":1})"
    );
    EXPECT_FALSE(has_quirks(dialect::WriteOptions{}));
    EXPECT_TRUE(has_quirks(quirks));
}

}  // namespace
}  // namespace nova::gateway

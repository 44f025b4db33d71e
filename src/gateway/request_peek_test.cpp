#include <vector>

#include <gtest/gtest.h>

#include "gateway/request_peek.hpp"

namespace nova::gateway {
namespace {

TEST(RequestPeek, FindsWhatRoutingNeedsWhereverItStands) {
    RequestPeeker peeker;
    const std::string long_text(200'000, 'x');

    struct Row {
        const char* name;
        std::string body;
        std::string model;
        bool stream;
        bool usage;
    };

    const std::vector<Row> rows{
        {"first", R"({"model":"m","messages":[]})", "m", false, false},
        {"last, behind a long body",
         R"({"messages":[{"content":")" + long_text + R"("}],"model":"m"})", "m", false, false},
        {"a prompt that looks like the key",
         R"({"messages":[{"content":"\"model\":\"evil\""}],"model":"m"})", "m", false, false},
        {"a nested model is not it", R"({"x":{"model":"inner"},"model":"outer"})", "outer", false,
         false},
        {"escapes in the name", R"({"model":"a\/b\u003ac"})", "a/b:c", false, false},
        {"stream and usage",
         R"({"model":"m","stream":true,"stream_options":{"include_usage":true}})", "m", true, true},
        {"nulls", R"({"model":"m","stream":null,"stream_options":null})", "m", false, false},
        {"white space", "\n { \"model\" : \"m\" } \n", "m", false, false},
        {"an escaped key is the key", R"({"mod\u0065l":"m"})", "m", false, false},
    };
    for (const Row& row : rows) {
        std::string body = row.body;
        const auto peek = peeker.peek(body);
        ASSERT_TRUE(peek) << row.name << ": " << peek.error().message;
        EXPECT_EQ(peek->model, row.model) << row.name;
        EXPECT_EQ(peek->stream, row.stream) << row.name;
        EXPECT_EQ(peek->include_usage, row.usage) << row.name;
        EXPECT_EQ(body, row.body) << row.name << ": the bytes stay as they came";
    }
}

// Trap 74: engines compare names exactly and take the last of two; so must routing.
TEST(RequestPeek, NamesAreExactAndTheLastOfTwoCounts) {
    RequestPeeker peeker;
    std::string body =
        R"({"Model":"evil","MODEL":"evil","model ":"evil","model":"m","Stream":true})";
    auto peek = peeker.peek(body);
    ASSERT_TRUE(peek) << peek.error().message;
    EXPECT_EQ(peek->model, "m");
    EXPECT_FALSE(peek->stream);
    body = R"({"stream":true,"model":"m","stream":false})";
    peek = peeker.peek(body);
    ASSERT_TRUE(peek) << peek.error().message;
    EXPECT_FALSE(peek->stream);
    body = R"({"stream":false,"model":"m","stream":true})";
    EXPECT_TRUE(peeker.peek(body)->stream);
}

// Trap 75: a bomb is refused or passed over, and costs neither the stack nor the next request.
TEST(RequestPeek, NestingAsDeepAsABodyIsNoHarm) {
    RequestPeeker peeker;
    const std::string open(2'000'000, '[');
    const std::string close(2'000'000, ']');
    for (std::string body :
         {R"({"x":)" + open + close + R"(,"model":"m"})", R"({"x":)" + open + R"(,"model":"m"})",
          R"({"model":)" + open + close + "}", open}) {
        const auto peek = peeker.peek(body);
        EXPECT_TRUE(peek ? peek->model == "m" : !peek.error().message.empty());
    }
    std::string good = R"({"model":"m"})";
    EXPECT_TRUE(peeker.peek(good));
}

TEST(RequestPeek, RefusesWhatItCannotRouteWithASentence) {
    RequestPeeker peeker;

    struct Row {
        std::string body;
        std::string message;
    };

    const std::vector<Row> rows{
        {"", "The request body is not valid JSON."},
        {"{", "The request body is not valid JSON."},
        {R"({"model":"m")", "The request body is not valid JSON."},
        {R"({"model":"m"}})", "The request body is not valid JSON."},
        {R"({"model":"m"} {"model":"n"})", "The request body is not valid JSON."},
        {R"({"model" "m"})", "The request body is not valid JSON."},
        {R"({"model":"m","stream":nruE})", "\"stream\" must be true or false."},
        {R"({"model":"m","stream_options":nulL})", "\"stream_options\" must be an object."},
        {"[1]", "The request body must be one JSON object."},
        {"{}", "The request body has no \"model\"."},
        {R"({"model":""})", "The request body has no \"model\"."},
        {R"({"model":3})", "\"model\" must be a string."},
        {R"({"model":"a","model":"b"})", "The request body names \"model\" twice."},
        {R"({"model":"m","stream":"yes"})", "\"stream\" must be true or false."},
        {R"({"model":"m","stream_options":3})", "\"stream_options\" must be an object."},
    };
    for (const Row& row : rows) {
        std::string body = row.body;
        const auto peek = peeker.peek(body);
        ASSERT_FALSE(peek) << row.body;
        EXPECT_EQ(peek.error().message, row.message) << row.body;
        EXPECT_EQ(peek.error().code, ErrorCode::invalid_argument);
    }
}

TEST(RequestPeek, AnotherModelReplacesTheValueAndNothingElse) {
    RequestPeeker peeker;

    struct Row {
        std::string body;
        std::string changed;
    };

    for (const Row& row :
         {Row{R"({"model":"m","input":"x"})", R"({"model":"a\"b","input":"x"})"},
          Row{R"({"input": [1, 2], "x":{"model":"m"}, "model" :"m"})",
              R"({"input": [1, 2], "x":{"model":"m"}, "model" :"a\"b"})"}}) {
        std::string body = row.body;
        const auto peek = peeker.peek(body);
        ASSERT_TRUE(peek) << peek.error().message;
        EXPECT_EQ(with_model(body, *peek, "a\"b"), row.changed);
    }
}

}  // namespace
}  // namespace nova::gateway

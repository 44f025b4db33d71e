// Usage and completeness from bytes of every dialect, cut anywhere.
#include <gtest/gtest.h>

#include "gateway/usage_tap.hpp"

namespace nova::gateway {
namespace {

using dialect::Dialect;

struct Row {
    std::string name;
    Dialect dialect;
    UsageTap::Kind kind;
    std::string text;
    std::optional<std::uint64_t> prompt;
    std::optional<std::uint64_t> completion;
    std::optional<std::uint64_t> cached{};
    bool complete = true;
};

const std::vector<Row>& rows() {
    constexpr auto kStream = UsageTap::Kind::stream;
    static const std::vector<Row> all{
        {"openai with its usage chunk", Dialect::openai, kStream,
         "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}],\"usage\":null}\n\n"
         "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,"
         "\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\ndata: [DONE]\n\n",
         9, 2, 4},
        {"llama.cpp's timings", Dialect::openai, kStream,
         "data: {\"choices\":[{\"finish_reason\":\"stop\",\"delta\":{}}],\"timings\":{\"cache_n\":"
         "3,\"prompt_n\":6,\"prompt_ms\":1.5,\"predicted_n\":7}}\n\n",
         9, 7, 3},
        {"openai whose model writes the end", Dialect::openai, kStream,
         "data: {\"choices\":[{\"delta\":{\"content\":\"data: [DONE]\\n\"}}]}\n\n", std::nullopt,
         std::nullopt, std::nullopt, false},
        {"openai without an end", Dialect::openai, kStream,
         "data: {\"choices\":[{\"delta\":{\"content\":\"[DONE]\"},\"finish_reason\":null}]}\n\n",
         std::nullopt, std::nullopt, std::nullopt, false},
        {"anthropic", Dialect::anthropic, kStream,
         "event: message_start\ndata: {\"message\":{\"usage\":{\"input_tokens\":5,"
         "\"cache_read_input_tokens\":20,\"output_tokens\":1}}}\n\nevent: message_delta\ndata: "
         "{\"usage\":{\"output_tokens\":11}}\n\nevent: message_stop\ndata: {}\n\n",
         25, 11, 20},
        {"ollama", Dialect::ollama, kStream,
         "{\"message\":{\"content\":\"Hi\"},\"done\":false}\n{\"message\":{\"content\":\"\"},"
         "\"done\":true,\"prompt_eval_count\":3,\"eval_count\":4}\n",
         3, 4},
        {"unary", Dialect::openai, UsageTap::Kind::whole,
         "{\"choices\":[{\"message\":{\"content\":\"\\\"usage\\\":{\\\"prompt_tokens\\\":1}\"}}],"
         "\"usage\": {\"prompt_tokens\": 12, \"completion_tokens\": 3}}",
         12, 3},
    };
    return all;
}

TEST(UsageTap, ReadsUsageOfEveryDialectHoweverItIsCut) {
    for (const Row& row : rows()) {
        for (const std::size_t size : {std::size_t{1}, std::size_t{7}, row.text.size()}) {
            UsageTap tap{row.dialect, Operation::chat, row.kind};
            tap.begin(row.text.substr(0, 1500));
            for (std::size_t at = 0; at < row.text.size(); at += size) {
                tap.note(std::string_view{row.text}.substr(at, size));
            }
            EXPECT_EQ(tap.usage().prompt, row.prompt) << row.name << " by " << size;
            EXPECT_EQ(tap.usage().completion, row.completion) << row.name << " by " << size;
            EXPECT_EQ(tap.usage().cached, row.cached) << row.name << " by " << size;
            if (row.kind == UsageTap::Kind::stream) {
                EXPECT_EQ(tap.complete(), row.complete) << row.name << " by " << size;
            }
        }
    }
}

TEST(UsageTap, FindsTheEndOfAnAnswerOfAnyLength) {
    UsageTap tap{Dialect::openai, Operation::chat, UsageTap::Kind::stream};
    for (int i = 0; i < 5000; ++i) {
        tap.note("data: {\"choices\":[{\"delta\":{\"content\":\"word\"}}]}\n\n");
    }
    EXPECT_EQ(tap.events(), 5000U);
    EXPECT_FALSE(tap.complete());
    tap.note("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":5000}}\n\n"
    );
    tap.note("data: [DONE]\n\n");
    EXPECT_TRUE(tap.complete());
    EXPECT_EQ(tap.usage().completion, 5000U);
}

TEST(UsageTap, FindsTheEndOfAGenerationBehindALongContext) {
    UsageTap tap{Dialect::ollama_generate, Operation::completion, UsageTap::Kind::stream};
    tap.note(R"({"model":"m","response":"a","done":false})"
             "\n");
    EXPECT_FALSE(tap.complete());
    std::string last =
        R"({"model":"m","response":"","done":true,"done_reason":"stop","context":[1)";
    for (int i = 0; i < 5000; ++i) {
        last += ",31415";
    }
    tap.note(
        last + R"(],"total_duration":17,"prompt_eval_count":3,"eval_count":4})"
               "\n"
    );
    EXPECT_TRUE(tap.complete());
    EXPECT_EQ(tap.usage().completion, 4U);
}

TEST(UsageTap, TakesAnEmbeddingsUsageFromTheFrontToo) {
    UsageTap tap{Dialect::openai, Operation::embedding, UsageTap::Kind::whole};
    const std::string front = "{\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8},\"data\":[";
    tap.begin(front);
    tap.note(front);
    tap.note(std::string(100'000, '1'));
    EXPECT_EQ(tap.usage().prompt, 8U);
}

}  // namespace
}  // namespace nova::gateway

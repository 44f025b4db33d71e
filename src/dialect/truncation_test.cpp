// Prompts that were cut, and those that only look like it.
#include <gtest/gtest.h>

#include "dialect/truncation.hpp"

namespace nova::dialect {
namespace {

ChatRequest saying(std::string text) {
    ChatRequest request;
    Message& message = request.messages.emplace_back();
    message.content.push_back(Part{.kind = Part::Kind::text, .text = std::move(text)});
    return request;
}

struct Row {
    std::string_view name;
    PromptReading reading;
    bool cut;
};

// Numbers of the first four are Ollama 0.17.4's (num_ctx 256; characters / 8 and
// prompt_eval_count).
constexpr Row kRows[] = {
    {"a short message", {.least_tokens = 73, .counted = 140, .context = 256}, false},
    {"one message of twice the context", {.least_tokens = 292, .counted = 256, .context = 256}, true
    },
    {"a long conversation", {.least_tokens = 614, .counted = 238, .context = 256}, true},
    {"the same, its context unknown", {.least_tokens = 614, .counted = 238, .context = {}}, true},
    {"the window is full", {.least_tokens = 200, .counted = 256, .context = 256}, true},
    {"a count of what the cache lacked", {.least_tokens = 200, .counted = 5, .context = 256}, false
    },
    {"nothing was counted", {.least_tokens = 200, .counted = {}, .context = {}}, false},
    {"zero is no count", {.least_tokens = 200, .counted = 0, .context = {}}, false},
    {"a context of zero is none", {.least_tokens = 2, .counted = 9, .context = 0}, false},
    {"too much for the context, uncounted",
     {.least_tokens = 300, .counted = {}, .context = 256},
     true},
};

TEST(Truncation, SaysCutOnlyWhereItIsCertain) {
    for (const Row& row : kRows) {
        EXPECT_EQ(prompt_was_cut(row.reading), row.cut) << row.name;
    }
}

TEST(Truncation, CountsCharactersNotBytesAndRunsOnce) {
    EXPECT_EQ(least_prompt_tokens(saying("abcdefghijklmnop")), 2U);
    EXPECT_EQ(least_prompt_tokens(saying("дожди идут у реки")), 2U);
    EXPECT_EQ(least_prompt_tokens(saying(std::string(4000, ' '))), 0U);
    EXPECT_EQ(least_prompt_tokens(saying("")), 0U);
    EXPECT_EQ(least_prompt_tokens({}), 0U);
    EXPECT_EQ(least_prompt_tokens(saying("\xff\x80\x80 not UTF-8 at all")), 2U);
}

TEST(Truncation, AddsUpMessagesAndParts) {
    ChatRequest request = saying("abcdefgh");
    Part& picture = request.messages.front().content.emplace_back();
    picture.kind = Part::Kind::image;
    picture.image.base64 = std::string(9000, 'A');
    request.messages.push_back(request.messages.front());
    EXPECT_EQ(least_prompt_tokens(request), 2U);
}

}  // namespace
}  // namespace nova::dialect

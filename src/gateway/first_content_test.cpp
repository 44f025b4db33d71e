// Which first events begin an answer, in each dialect, however they are cut.
#include <gtest/gtest.h>

#include "gateway/first_content.hpp"

namespace nova::gateway {
namespace {

using dialect::Dialect;

constexpr std::string_view kRole =
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
    "\"finish_reason\":null}]}\n\n";
constexpr std::string_view kHello =
    "data: {\"choices\":[{\"delta\":{\"content\":\"H\"},\"finish_reason\":null}]}\n\n";

TEST(KindOfEvent, TellsContentFromPreludeAndError) {
    struct Row {
        Dialect dialect;
        std::string_view event;
        EventKind kind;
    };

    const Row rows[] = {
        {Dialect::openai, kRole, EventKind::neutral},
        {Dialect::openai, kHello, EventKind::content},
        {Dialect::openai, ": ping\n\n", EventKind::neutral},
        {Dialect::openai, "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]}\n\n",
         EventKind::content},
        {Dialect::openai, "data: {\"choices\":[{\"delta\":{\"reasoning\": \"h\"}}]}\n\n",
         EventKind::content},
        {Dialect::openai, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
         EventKind::content},
        {Dialect::openai, "data: [DONE]\n\n", EventKind::content},
        {Dialect::openai, "data: {\"error\":{\"message\":\"no\"}}\n\n", EventKind::error},
        {Dialect::openai, "data: {\"error\":null,\"choices\":[]}\n\n", EventKind::neutral},
        {Dialect::openai, "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"error\\\":{\"}}]}\n\n",
         EventKind::content},
        {Dialect::openai_text, "data: {\"choices\":[{\"text\":\"H\"}]}\n\n", EventKind::content},
        {Dialect::anthropic, "event: message_start\ndata: {\"type\":\"message_start\"}\n\n",
         EventKind::neutral},
        {Dialect::anthropic, "event: ping\ndata: {\"type\":\"ping\"}\n\n", EventKind::neutral},
        {Dialect::anthropic,
         "event: content_block_start\ndata: {\"content_block\":{\"type\":\"text\",\"text\":\"\"}}"
         "\n\n",
         EventKind::neutral},
        {Dialect::anthropic,
         "event: content_block_start\ndata: {\"content_block\":{\"type\":\"tool_use\"}}\n\n",
         EventKind::content},
        {Dialect::anthropic, "event: error\ndata: {\"type\":\"error\",\"error\":{}}\n\n",
         EventKind::error},
        {Dialect::ollama, "{\"message\":{\"content\":\"\"},\"done\":false}\n", EventKind::neutral},
        {Dialect::ollama, "{\"message\":{\"content\":\"H\"},\"done\":false}\n", EventKind::content},
        {Dialect::ollama, "{\"error\":\"gone\"}\n", EventKind::error},
        {Dialect::ollama_generate, "{\"response\":\"\",\"done\":true}\n", EventKind::content},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(kind_of_event(row.dialect, Operation::chat, row.event), row.kind) << row.event;
    }
}

// Trap 64, the other way round: a failure is told by the event itself.
TEST(KindOfEvent, AnErrorFurtherInIsAToolsOrAModels) {
    struct Row {
        Dialect dialect;
        Operation operation;
        std::string_view event;
        EventKind kind;
    };

    constexpr auto kChat = Operation::chat;
    constexpr auto kResponses = Operation::responses;
    const Row rows[] = {
        {Dialect::ollama, kChat,
         "{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"f\","
         "\"arguments\":{\"error\":\"disk full\"}}}]},\"done\":false}\n",
         EventKind::content},
        {Dialect::openai, kChat,
         "data: {\"choices\":[],\"prompt_filter_results\":[{\"content_filter_results\":{"
         "\"error\":{\"code\":\"content_filter_error\"}}}]}\n\n",
         EventKind::neutral},
        {Dialect::openai, kChat, "data: [{\"error\":{\"code\":503}}]\n\n", EventKind::error},
        {Dialect::openai, kChat, ": \"{ a comment\ndata:{\"error\":\"no\"}\n\n", EventKind::error},
        {Dialect::openai, kChat, "data: {\"x\":1}\r\nevent:error\r\n\r\n", EventKind::error},
        {Dialect::openai, kResponses,
         "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"error\":"
         "null,\"instructions\":\"Say response.failed or \\\"error\\\": {\",\"tools\":[{"
         "\"type\":\"function\",\"parameters\":{\"properties\":{\"error\":{\"type\":"
         "\"string\"}}}}]}}\n\n",
         EventKind::neutral},
        {Dialect::openai, kResponses,
         "data: {\"response\":{\"tools\":[{\"type\":\"error\"}]},\"type\":\"response.queued\"}"
         "\n\n",
         EventKind::neutral},
        {Dialect::openai, kResponses, "event: response.in_progress\ndata: {}\n\n",
         EventKind::neutral},
        {Dialect::openai, kResponses, ": ping\n\n", EventKind::neutral},
        {Dialect::openai, kResponses,
         "data: {\"type\":\"response.output_text.delta\",\"delta\":\"response.created\"}\n\n",
         EventKind::content},
        {Dialect::openai, kResponses,
         "data: {\"type\":\"response.output_item.added\",\"item\":{\"type\":\"mcp_call\","
         "\"error\":\"refused\"}}\n\n",
         EventKind::content},
        {Dialect::openai, kResponses,
         "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"x\"}}}\n\n",
         EventKind::error},
        {Dialect::openai, kResponses, "event: response.failed\ndata: {\"response\":{}}\n\n",
         EventKind::error},
        {Dialect::openai, kResponses,
         "data: {\"type\":\"response.in_progress\",\"response\":{\"error\":{\"code\":\"x\"}}}"
         "\n\n",
         EventKind::error},
        {Dialect::openai, kResponses,
         "data: {\"type\":\"error\",\"code\":\"x\",\"message\":\"planned\"}\n\n", EventKind::error},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(kind_of_event(row.dialect, row.operation, row.event), row.kind) << row.event;
    }
}

TEST(FirstContent, HoldsBackUntilContentHoweverTheBytesAreCut) {
    const std::string all = std::string{": hi\n\n"} + std::string{kRole} + std::string{kHello};
    for (std::size_t size = 1; size < all.size(); ++size) {
        FirstContent first{Dialect::openai, Operation::chat};
        auto verdict = FirstContent::Verdict::hold;
        std::size_t fed = 0;
        while (verdict == FirstContent::Verdict::hold && fed < all.size()) {
            const std::string_view piece = std::string_view{all}.substr(fed, size);
            fed += piece.size();
            verdict = first.take(piece);
        }
        EXPECT_EQ(verdict, FirstContent::Verdict::commit) << size;
        EXPECT_EQ(first.bytes(), std::string_view{all}.substr(0, fed)) << size;
        EXPECT_GT(fed, all.size() - kHello.size()) << size;
    }
}

TEST(FirstContent, FindsTheErrorBehindTheRole) {
    FirstContent first{Dialect::openai, Operation::chat};
    EXPECT_EQ(first.take(kRole), FirstContent::Verdict::hold);
    EXPECT_EQ(
        first.take("data: {\"error\":{\"message\":\"overloaded\"}}\r\n\r\n"),
        FirstContent::Verdict::failed
    );
    EXPECT_EQ(first.error(), "{\"error\":{\"message\":\"overloaded\"}}");
}

TEST(FirstContent, LetsGoOfWhatIsTooMuchToHold) {
    FirstContent many{Dialect::openai, Operation::chat};
    for (int i = 1; i < FirstContent::kEvents; ++i) {
        EXPECT_EQ(many.take(kRole), FirstContent::Verdict::hold);
    }
    EXPECT_EQ(many.take(kRole), FirstContent::Verdict::commit);

    FirstContent large{Dialect::openai, Operation::chat};
    EXPECT_EQ(
        large.take("data: {" + std::string(FirstContent::kBytes, ' ')),
        FirstContent::Verdict::commit
    );
}

TEST(FirstContent, CommentsAndPingsCountOnlyByTheirBytes) {
    struct Row {
        Dialect dialect;
        std::string_view alive;
        std::string_view error;
    };

    const Row rows[] = {
        {Dialect::openai, ": OPENROUTER PROCESSING\n\n", "data: {\"error\":{\"code\":502}}\n\n"},
        {Dialect::openai, ":\r\n: two lines\r\n\r\n", "data: {\"error\":\"no\"}\r\n\r\n"},
        {Dialect::anthropic, "event: ping\ndata: {\"type\": \"ping\"}\n\n",
         "event: error\ndata: {\"type\":\"error\",\"error\":{}}\n\n"},
        {Dialect::anthropic, "data: {\"type\":\"ping\"}\n\n",
         "event: error\ndata: {\"type\":\"error\",\"error\":{}}\n\n"},
        {Dialect::ollama, "\n", "{\"error\":\"gone\"}\n"},
    };
    for (const Row& row : rows) {
        FirstContent first{row.dialect, Operation::chat};
        for (int i = 0; i < 5 * FirstContent::kEvents; ++i) {
            EXPECT_EQ(first.take(row.alive), FirstContent::Verdict::hold) << row.alive << i;
        }
        EXPECT_EQ(first.take(row.error), FirstContent::Verdict::failed) << row.alive;

        FirstContent endless{row.dialect, Operation::chat};
        std::size_t bytes = 0;
        while (endless.take(row.alive) == FirstContent::Verdict::hold) {
            bytes += row.alive.size();
        }
        EXPECT_LT(bytes, FirstContent::kBytes) << row.alive;
    }
}

}  // namespace
}  // namespace nova::gateway

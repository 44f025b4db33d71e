// Paths of upstreams.
#include <gtest/gtest.h>

#include "dialect/endpoint.hpp"
#include "dialect/ollama_request.hpp"
#include "dialect/openai_text.hpp"

namespace nova::dialect {
namespace {

struct Row {
    Dialect speaks;
    Operation operation;
    std::optional<std::string_view> path;
};

TEST(Endpoint, EveryUpstreamHasItsPaths) {
    constexpr Row kRows[] = {
        {Dialect::openai, Operation::chat, "/chat/completions"},
        {Dialect::openai, Operation::completion, "/completions"},
        {Dialect::openai, Operation::embedding, "/embeddings"},
        {Dialect::anthropic, Operation::chat, "/messages"},
        {Dialect::anthropic, Operation::completion, "/messages"},
        {Dialect::anthropic, Operation::embedding, std::nullopt},
        {Dialect::ollama, Operation::chat, "/api/chat"},
        {Dialect::ollama, Operation::completion, "/api/generate"},
        {Dialect::ollama, Operation::embedding, "/api/embed"},
        {Dialect::nova, Operation::chat, std::nullopt},
    };
    for (const Row& row : kRows) {
        EXPECT_EQ(path_of(row.speaks, row.operation), row.path)
            << static_cast<int>(row.speaks) << static_cast<int>(row.operation);
    }
}

std::string wire(Dialect speaks, const ChatRequest& request) {
    const Wire wire = wire_of(speaks, request);
    constexpr std::string_view kWords[] = {"openai", "openai_text",     "anthropic",
                                           "ollama", "ollama_generate", "nova"};
    return std::string{kWords[static_cast<std::size_t>(wire.dialect)]} + " " +
           std::string{wire.path};
}

TEST(Endpoint, AConversationStaysOne) {
    const ChatRequest request;
    EXPECT_EQ(wire(Dialect::openai, request), "openai /chat/completions");
    EXPECT_EQ(wire(Dialect::anthropic, request), "anthropic /messages");
    EXPECT_EQ(wire(Dialect::ollama, request), "ollama /api/chat");
}

TEST(Endpoint, TextToGoOnWithGoesWhereItCan) {
    const auto text = openai_text_codec().read_request(R"({"model":"m","prompt":"a"})");
    ASSERT_TRUE(text);
    EXPECT_EQ(wire(Dialect::openai, *text), "openai_text /completions");
    EXPECT_EQ(wire(Dialect::ollama, *text), "ollama /api/generate");
    EXPECT_EQ(wire(Dialect::anthropic, *text), "anthropic /messages");
}

TEST(Endpoint, OllamasPromptIsAChatUnlessItIsRawOrHasAGap) {
    auto prompt = ollama::read_generate(R"({"model":"m","prompt":"a"})");
    ASSERT_TRUE(prompt);
    EXPECT_EQ(wire(Dialect::ollama, *prompt), "ollama /api/generate");
    EXPECT_EQ(wire(Dialect::openai, *prompt), "openai /chat/completions");
    prompt->suffix = "z";
    EXPECT_EQ(wire(Dialect::openai, *prompt), "openai_text /completions");
    prompt->suffix.clear();
    prompt->raw = true;
    EXPECT_EQ(wire(Dialect::openai, *prompt), "openai_text /completions");
}

}  // namespace
}  // namespace nova::dialect

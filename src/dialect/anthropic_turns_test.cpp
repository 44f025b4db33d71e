// Conversations as Anthropic's turns.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/anthropic_turns.hpp"
#include "dialect/openai_request.hpp"

namespace nova::dialect::anthropic {
namespace {

using J = nlohmann::json;

std::vector<Message> messages_of(std::string_view messages) {
    auto request =
        openai::read_request(R"({"model":"m","messages":)" + std::string{messages} + "}");
    EXPECT_TRUE(request) << (request ? "" : request.error().message);
    return request ? std::move(request->messages) : std::vector<Message>{};
}

J turns(std::string_view messages) {
    return J::parse(raw_text(turns_json(messages_of(messages))));
}

J system_of(std::string_view messages) {
    return J::parse(raw_text(system_json(messages_of(messages))));
}

TEST(AnthropicTurns, TakeTurns) {
    EXPECT_EQ(
        turns(R"([{"role":"user","content":"a"},{"role":"user","content":"b"},)"
              R"({"role":"assistant","content":"c"},{"role":"assistant","content":"d"}])"),
        J::parse(R"([{"role":"user","content":[{"type":"text","text":"a"},)"
                 R"({"type":"text","text":"b"}]},{"role":"assistant","content":)"
                 R"([{"type":"text","text":"c"},{"type":"text","text":"d"}]}])")
    );
}

TEST(AnthropicTurns, TheUserSpeaksFirst) {
    EXPECT_EQ(
        turns(R"([{"role":"system","content":"s"},{"role":"assistant","content":"a"}])"),
        J::parse(R"([{"role":"user","content":"."},{"role":"assistant","content":"a"}])")
    );
    EXPECT_EQ(
        turns(R"([{"role":"system","content":"s"}])"),
        J::parse(R"([{"role":"user","content":"."}])")
    );
}

TEST(AnthropicTurns, ResultsStandInOneTurnBeforeTheText) {
    EXPECT_EQ(
        turns(R"([{"role":"user","content":"q"},{"role":"assistant","content":null,"tool_calls":[)"
              R"({"id":"a.1","function":{"name":"f","arguments":"{\"x\":1}"}},)"
              R"({"id":"b","function":{"name":"g","arguments":""}}]},)"
              R"({"role":"tool","tool_call_id":"a.1","content":"1"},)"
              R"({"role":"user","content":"so?"},)"
              R"({"role":"tool","tool_call_id":"b","content":""}])"),
        J::parse(R"([{"role":"user","content":"q"},{"role":"assistant","content":[)"
                 R"({"type":"tool_use","id":"a_1","name":"f","input":{"x":1}},)"
                 R"({"type":"tool_use","id":"b","name":"g","input":{}}]},)"
                 R"({"role":"user","content":[)"
                 R"({"type":"tool_result","tool_use_id":"a_1","content":"1"},)"
                 R"({"type":"tool_result","tool_use_id":"b"},{"type":"text","text":"so?"}]}])")
    );
}

TEST(AnthropicTurns, ArgumentsBecomeAnObject) {
    EXPECT_EQ(raw_text(input_of(" ")), "{}");
    EXPECT_EQ(raw_text(input_of(R"({"b":1,"a":2})")), R"({"b":1,"a":2})");
    EXPECT_EQ(raw_text(input_of("{\"a\":")), R"({"INVALID_JSON":"{\"a\":"})");
    EXPECT_EQ(raw_text(input_of("[1]")), R"({"INVALID_JSON":"[1]"})");
}

TEST(AnthropicTurns, ImagesComeFromTheirAddressOrTheirData) {
    const J out = turns(
        R"([{"role":"user","content":[{"type":"image_url","image_url":{"url":)"
        R"("data:image/webp;base64,UklG"}},{"type":"image_url","image_url":"https://x/y.png"},)"
        R"({"type":"image_url","image_url":"data:;base64,/9j/AA"}]}])"
    );
    EXPECT_EQ(
        out[0]["content"][0]["source"],
        J({{"type", "base64"}, {"media_type", "image/webp"}, {"data", "UklG"}})
    );
    EXPECT_EQ(out[0]["content"][1]["source"], J({{"type", "url"}, {"url", "https://x/y.png"}}));
    EXPECT_EQ(out[0]["content"][2]["source"]["media_type"], "image/jpeg");
}

TEST(AnthropicTurns, NothingEmptyAndNoSpaceAtTheEnd) {
    EXPECT_EQ(
        turns(R"([{"role":"user","content":"a"},{"role":"assistant","content":""},)"
              R"({"role":"user","content":""},{"role":"assistant","content":"b \n"}])"),
        J::parse(R"([{"role":"user","content":"a"},{"role":"assistant","content":"b"}])")
    );
    EXPECT_EQ(
        turns(R"([{"role":"user","content":"a"},{"role":"assistant","content":" "}])"),
        J::parse(R"([{"role":"user","content":"a"}])")
    );
}

TEST(AnthropicTurns, OnlySignedThinkingGoesBack) {
    auto messages = messages_of(R"([{"role":"user","content":"q"},)"
                                R"({"role":"assistant","content":"a","reasoning_content":"hm"}])");
    EXPECT_EQ(raw_text(turns_json(messages)[1]["content"]), R"("a")");
    messages[1].thoughts = {{.text = "hm", .signature = "s"}};
    EXPECT_EQ(
        raw_text(turns_json(messages)[1]["content"][0]),
        R"({"type":"thinking","thinking":"hm","signature":"s"})"
    );
}

TEST(AnthropicTurns, SystemAndDeveloperSpeakAsOne) {
    EXPECT_EQ(
        system_of(R"([{"role":"system","content":"a"},{"role":"user","content":"q"},)"
                  R"({"role":"developer","content":"b"}])"),
        "a\nb"
    );
    EXPECT_TRUE(system_of(R"([{"role":"user","content":"q"}])").is_null());
}

TEST(AnthropicTurns, ResultsBecomeMessagesThatKnowTheirFunction) {
    const auto tree = parse_tree(
        R"([{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{}}]},)"
        R"({"role":"user","content":[{"type":"text","text":"and"},)"
        R"({"type":"tool_result","tool_use_id":"t","content":"1","is_error":true}]}])",
        "It"
    );
    ASSERT_TRUE(tree);
    const auto read = read_turns(*tree);
    ASSERT_TRUE(read);
    ASSERT_EQ(read->messages.size(), 3U);
    EXPECT_EQ(read->messages[1].role, Role::tool);
    EXPECT_EQ(read->messages[1].name, "f");
    EXPECT_TRUE(read->messages[1].tool_failed);
    EXPECT_EQ(read->messages[2].role, Role::user);
    EXPECT_EQ(read->messages[2].content.at(0).text, "and");
}

}  // namespace
}  // namespace nova::dialect::anthropic

// What travels through a translation although only some dialects have it: proofs of thinking, what
// only Anthropic can read, images of tool results, and what a model thought of its tokens.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/dialect_probe.hpp"
#include "dialect/json_text.hpp"
#include "dialect/ollama_codec.hpp"
#include "dialect/openai_text.hpp"
#include "net/sse.hpp"

namespace nova::dialect {
namespace {

using J = nlohmann::json;
using Names = std::vector<std::string>;

std::string spoken(const Codec& codec, const std::vector<ChatEvent>& events, bool stream) {
    const auto writer = codec.writer({.id = "1", .model = "m", .created = 1}, stream);
    std::string out;
    for (const ChatEvent& event : events) {
        writer->write(event, out);
    }
    writer->end(out);
    return out;
}

std::vector<ChatEvent> heard(const Codec& codec, const std::string& bytes, bool stream) {
    const auto reader = codec.reader(stream);
    return events_of(*reader, bytes, 7);
}

// Two proven pieces, and between them one that only Anthropic can read.
const std::vector<ChatEvent> kThoughtful{
    Begun{.id = "x", .model = "theirs"},
    ReasoningDelta{.text = "first", .signature = {}},
    ReasoningDelta{.text = {}, .signature = "S1"},
    ReasoningDelta{.text = {}, .signature = {}, .redacted = "secret"},
    ReasoningDelta{.text = "then", .signature = "S2"},
    TextDelta{"Hi"},
    Finished{.reason = FinishReason::stop, .stop_sequence = {}, .raw = {}},
};

std::string thoughts_in(const J& content) {
    std::string all;
    for (const J& block : content) {
        all += block.value("thinking", "") + block.value("signature", "") +
               block.value("data", "") + "|";
    }
    return all;
}

TEST(Crossing, ProofsOfThinkingReachAnOpenAiClientAndComeBack) {
    for (const bool stream : {true, false}) {
        // Anthropic's answer, to a client of OpenAI's dialect.
        const auto events =
            heard(anthropic_codec(), spoken(anthropic_codec(), kThoughtful, stream), stream);
        const std::string answer = spoken(openai_codec(), events, stream);
        EXPECT_NE(answer.find("reasoning_content"), std::string::npos) << answer;
        // The client puts it together and gives it back behind a call's result.
        J details = J::array();
        std::string reasoning;
        if (stream) {
            net::SseParser parser;
            ASSERT_TRUE(parser.feed(answer));
            while (const auto event = parser.next()) {
                const J chunk = J::parse(event->data, nullptr, false);
                if (!chunk.is_object()) {
                    continue;
                }
                const J& delta = chunk["choices"][0]["delta"];
                for (const J& detail : delta.value("reasoning_details", J::array())) {
                    details.push_back(detail);
                }
                reasoning += delta.value("reasoning_content", "");
            }
        } else {
            const J message = J::parse(answer)["choices"][0]["message"];
            details = message["reasoning_details"];
            reasoning = message["reasoning_content"];
        }
        EXPECT_EQ(reasoning, "firstthen");
        ASSERT_EQ(details.size(), 3U) << details;
        const J body{
            {"model", "m"},
            {"messages",
             {{{"role", "user"}, {"content", "q"}},
              {{"role", "assistant"},
               {"content", "Hi"},
               {"reasoning_content", reasoning},
               {"reasoning_details", details}}}}
        };
        const auto request = openai_codec().read_request(body.dump());
        ASSERT_TRUE(request);
        const auto sent = anthropic_codec().write_request(*request, {});
        ASSERT_TRUE(sent);
        EXPECT_EQ(thoughts_in(J::parse(*sent)["messages"][1]["content"]), "firstS1|secret|thenS2||")
            << *sent;
        EXPECT_EQ(anthropic_codec().left_out(*request, {}), Names{});
        EXPECT_EQ(ollama_codec().left_out(*request, {}), Names{"messages.reasoning_details"});
    }
}

TEST(Crossing, AnthropicsClientGetsThemFromAProviderThatWritesThemAsOpenRouterDoes) {
    for (const bool stream : {true, false}) {
        const auto events =
            heard(openai_codec(), spoken(openai_codec(), kThoughtful, stream), stream);
        EXPECT_NE(in_words(events).find("redacted(secret)"), std::string::npos);
        const std::string answer = spoken(anthropic_codec(), events, stream);
        for (const char* piece :
             {R"("signature":"S1")", R"("data":"secret")", R"("signature":"S2")"}) {
            EXPECT_NE(answer.find(piece), std::string::npos) << piece << answer;
        }
    }
}

TEST(Crossing, AnothersProofIsNotGivenToAnthropic) {
    const auto request = openai_codec().read_request(
        R"({"model":"m","messages":[{"role":"user","content":"q"},{"role":"assistant","content":)"
        R"("a","reasoning_details":[{"type":"reasoning.encrypted","data":"x","format":)"
        R"("openai-responses-v1"},{"type":"reasoning.summary","summary":"s"}]}]})"
    );
    ASSERT_TRUE(request);
    EXPECT_TRUE(request->messages[1].thoughts.empty());
}

// ---- results of tools

J openai_messages(const std::string& turns) {
    const auto request =
        anthropic_codec().read_request(R"({"model":"m","max_tokens":5,"messages":)" + turns + "}");
    EXPECT_TRUE(request) << (request ? "" : request.error().message);
    const auto sent = openai_codec().write_request(*request, {});
    EXPECT_TRUE(sent) << (sent ? "" : sent.error().message);
    return J::parse(*sent)["messages"];
}

std::string result(std::string_view id, std::string_view more) {
    return fmt::format(R"({{"type":"tool_result","tool_use_id":"{}"{}}})", id, more);
}

TEST(Crossing, ImagesOfToolResultsFollowInTheUsersNameForTheirMessageTakesTextAlone) {
    const std::string calls =
        R"([{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}},)"
        R"({"type":"tool_use","id":"b","name":"g","input":{}}]},)";
    const auto image = [](std::string_view data) {
        return fmt::format(
            R"({{"type":"image","source":{{"type":"base64","media_type":"image/png",)"
            R"("data":"{}"}}}})",
            data
        );
    };
    const std::string results =
        calls + R"({"role":"user","content":[)" +
        result("a", R"(,"content":[{"type":"text","text":"one"},)" + image("AA") + "]") + "," +
        result("b", R"(,"content":[)" + image("BB") + "]");
    const J a = J::parse(R"({"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}})");
    const J b = J::parse(R"({"type":"image_url","image_url":{"url":"data:image/png;base64,BB"}})");

    const J alone = openai_messages(results + "]}]");
    ASSERT_EQ(alone.size(), 4U) << alone;
    EXPECT_EQ(alone[1], J::parse(R"({"role":"tool","tool_call_id":"a","content":"one"})"));
    EXPECT_EQ(alone[2], J::parse(R"({"role":"tool","tool_call_id":"b","content":""})"));
    EXPECT_EQ(alone[3], J({{"role", "user"}, {"content", J::array({a, b})}}));

    const J with_text = openai_messages(results + R"(,{"type":"text","text":"so?"}]}])");
    ASSERT_EQ(with_text.size(), 4U) << with_text;
    const J so = J::parse(R"({"type":"text","text":"so?"})");
    EXPECT_EQ(with_text[3], J({{"role", "user"}, {"content", J::array({a, b, so})}}));

    const J answered = openai_messages(results + R"(]},{"role":"assistant","content":"ok"}])");
    ASSERT_EQ(answered.size(), 5U) << answered;
    EXPECT_EQ(answered[3]["role"], "user");
    EXPECT_EQ(answered[4], J::parse(R"({"role":"assistant","content":"ok"})"));
}

TEST(Crossing, AResultThatIsAnErrorIsNamedWhereItIsNotSaid) {
    const auto request = anthropic_codec().read_request(
        R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":[)" +
        result("a", R"(,"content":"no such file","is_error":true)") + "]}]}"
    );
    ASSERT_TRUE(request);
    EXPECT_EQ(openai_codec().left_out(*request, {}), Names{"messages.is_error"});
    EXPECT_EQ(ollama_codec().left_out(*request, {}), Names{"messages.is_error"});
    EXPECT_EQ(anthropic_codec().left_out(*request, {}), Names{});
}

// ---- logprobs

constexpr const char* kTokens =
    R"([{"token":"Hi","logprob":-0.5,"bytes":[72,105],"top_logprobs":[{"token":"Ho",)"
    R"("logprob":-1.5,"bytes":null}]}])";

const std::vector<ChatEvent> kMeasured{
    Begun{.id = "x", .model = "theirs"},
    TextDelta{.text = "Hi", .logprobs = kTokens},
    TextDelta{.text = "", .logprobs = kTokens},
    TextDelta{.text = "!"},
    Finished{.reason = FinishReason::stop, .stop_sequence = {}, .raw = {}},
};

TEST(Crossing, LogprobsOfOllamaReachClientsOfOpenAiAndTheOtherWayRound) {
    const std::pair<const Codec*, const Codec*> ways[] = {
        {&ollama_codec(), &openai_codec()},
        {&openai_codec(), &ollama_codec()},
        {&ollama_generate_codec(), &openai_text_codec()},
        {&openai_text_codec(), &ollama_generate_codec()},
    };
    for (const auto& [upstream, client] : ways) {
        for (const bool stream : {true, false}) {
            const auto events = heard(*upstream, spoken(*upstream, kMeasured, stream), stream);
            const auto back = heard(*client, spoken(*client, events, stream), stream);
            std::size_t tokens = 0;
            for (const ChatEvent& event : back) {
                if (const auto* text = std::get_if<TextDelta>(&event);
                    text != nullptr && !text->logprobs.empty()) {
                    const J list = J::parse(text->logprobs);
                    tokens += list.size();
                    EXPECT_EQ(list[0]["token"], "Hi");
                    EXPECT_EQ(list[0]["logprob"], -0.5);
                    EXPECT_EQ(list[0]["top_logprobs"][0]["token"], "Ho");
                }
            }
            // A piece of a completion without text is none.
            const bool text = upstream == &openai_text_codec() || client == &openai_text_codec();
            EXPECT_EQ(tokens, text && stream ? 1U : 2U);
        }
    }
}

TEST(Crossing, LogprobsAreAskedForInEveryDialectThatHasThem) {
    const auto request = openai_codec().read_request(
        R"({"model":"m","messages":[{"role":"user","content":"q"}],"logprobs":true,)"
        R"("top_logprobs":3})"
    );
    ASSERT_TRUE(request);
    const J asked = J::parse(*ollama_codec().write_request(*request, {}));
    EXPECT_EQ(asked["logprobs"], true);
    EXPECT_EQ(asked["top_logprobs"], 3);
    EXPECT_EQ(ollama_codec().left_out(*request, {}), Names{});
    EXPECT_EQ(ollama_codec().left_out(*request, {.unsupported = {"logprobs"}}), Names{"logprobs"});
    EXPECT_EQ(anthropic_codec().left_out(*request, {}), Names{"logprobs"});

    const auto ollama = ollama_codec().read_request(
        R"({"model":"m","messages":[{"role":"user","content":"q"}],"logprobs":true})"
    );
    ASSERT_TRUE(ollama);
    EXPECT_EQ(J::parse(*openai_codec().write_request(*ollama, {}))["logprobs"], true);
    EXPECT_TRUE(ollama->dropped.empty());

    const auto text =
        openai_text_codec().read_request(R"({"model":"m","prompt":"q","logprobs":2})");
    ASSERT_TRUE(text);
    EXPECT_EQ(J::parse(*openai_text_codec().write_request(*text, {}))["logprobs"], 2);
    const J generate = J::parse(*ollama_generate_codec().write_request(*text, {}));
    EXPECT_EQ(generate["logprobs"], true);
    EXPECT_EQ(generate["top_logprobs"], 2);
}

}  // namespace
}  // namespace nova::dialect

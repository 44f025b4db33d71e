// The first Nova's clients: what they send and what they get.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/dialect_probe.hpp"
#include "dialect/nova_codec.hpp"
#include "net/sse.hpp"

namespace nova::dialect {
namespace {

using J = nlohmann::json;

const Codec& codec() {
    return codec_of(Dialect::nova);
}

std::string written(const std::vector<ChatEvent>& events, bool stream) {
    const auto writer = codec().writer({.id = "i", .model = "mine", .created = 5}, stream);
    std::string out;
    for (const ChatEvent& event : events) {
        writer->write(event, out);
    }
    writer->end(out);
    return out;
}

const std::vector<ChatEvent> kAnswer{
    Begun{},
    ReasoningDelta{.text = "unsaid", .signature = {}},
    TextDelta{"Hi"},
    ToolCallBegun{.index = 0, .id = "t", .name = "f"},
    ToolArgumentsDelta{.index = 0, .json = "{\"x\":1}"},
    Finished{.reason = FinishReason::tool_calls, .stop_sequence = {}, .raw = {}},
    Usage{.prompt = 9, .completion = 2, .cached = {}, .cache_write = {}, .reasoning = {}},
};

TEST(NovaCodec, ReadsItsRequest) {
    const auto request = codec().read_request(R"({"model":null,"messages":[
        {"role":"user","content":[{"type":"text","text":"what?"},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]},
        {"role":"assistant","content":"","tool_calls":[
            {"id":"c1","name":"f","arguments":{"b":1,"a":2}}]},
        {"role":"tool","content":"42","tool_call_id":"c1","name":"f"}],
        "tools":[{"name":"f","description":"d","parameters":{"type":"object"}}],
        "max_tokens":5,"metadata":{"k":1},"tier":"best","task_type":"chat"})");
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->model, "");
    EXPECT_EQ(request->temperature, 0.7);
    EXPECT_EQ(request->max_tokens, 5);
    EXPECT_EQ(request->messages.at(0).content.at(1).image.base64, "AAAA");
    EXPECT_EQ(request->messages.at(1).tool_calls.at(0).arguments, R"({"b":1,"a":2})");
    EXPECT_EQ(request->messages.at(2).tool_call_id, "c1");
    EXPECT_EQ(request->tools.at(0).name, "f");
    EXPECT_EQ(request->dropped, (std::vector<std::string>{"tier", "task_type"}));
    const auto sent = openai_codec().write_request(*request, {.model = "theirs"});
    ASSERT_TRUE(sent);
    EXPECT_EQ(
        J::parse(*sent)["messages"][1]["tool_calls"][0]["function"]["arguments"], R"({"b":1,"a":2})"
    );
}

TEST(NovaCodec, WritesEveryMemberOfItsAnswer) {
    EXPECT_EQ(J::parse(written(kAnswer, false)), J::parse(R"({"content":"Hi","model":"mine",
        "tool_calls":[{"id":"t","name":"f","arguments":{"x":1}}],"input_tokens":9,
        "output_tokens":2,"cost_usd":null,"finish_reason":"tool_calls"})"));
}

TEST(NovaCodec, StreamsChunksWithTheirNulls) {
    net::SseParser parser;
    ASSERT_TRUE(parser.feed(written(kAnswer, true)));
    std::vector<std::string> events;
    while (const auto event = parser.next()) {
        events.push_back(event->data);
    }
    ASSERT_EQ(events.size(), 3U);
    EXPECT_EQ(J::parse(events[0]), J::parse(R"({"delta":"Hi","tool_calls":[],"finish_reason":null,
        "input_tokens":null,"output_tokens":null,"cost_usd":null})"));
    EXPECT_EQ(J::parse(events[1]), J::parse(R"({"delta":"","tool_calls":[{"id":"t","name":"f",
        "arguments":{"x":1}}],"finish_reason":"tool_calls","input_tokens":9,"output_tokens":2,
        "cost_usd":null})"));
    EXPECT_EQ(events[2], "[DONE]");
}

TEST(NovaCodec, AFailureIsOneEventAndTheLast) {
    const std::string bytes = written(
        {TextDelta{"a"}, Failed{Error{.code = ErrorCode::upstream_failed, .message = "It broke."}}},
        true
    );
    EXPECT_TRUE(bytes.ends_with("data: {\"error\":\"It broke.\",\"provider\":\"\"}\n\n")) << bytes;
}

TEST(NovaCodec, ErrorsKeepTheFormItsClientsRead) {
    const J budget =
        J::parse(codec().write_error({.code = ErrorCode::budget, .message = "It is spent."}));
    EXPECT_EQ(budget["error"], "budget_exhausted");
    EXPECT_EQ(budget["detail"], "It is spent.");
    EXPECT_TRUE(budget.contains("resets_at"));
    const J other =
        J::parse(codec().write_error({.code = ErrorCode::unavailable, .message = "Not ready."}));
    EXPECT_EQ(other["error"], "Not ready.");
    EXPECT_EQ(
        J::parse(written({Failed{Error{.message = "It broke."}}}, false))["detail"], "It broke."
    );
}

TEST(NovaCodec, EmbedsTexts) {
    const auto request = codec().read_embed(R"({"model":"m","texts":["a","b"],"dimensions":768})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->inputs.size(), 2U);
    EXPECT_FALSE(request->single);
    EXPECT_EQ(request->dimensions, 768);
    EXPECT_EQ(
        J::parse(codec().write_embed_answer(
            {.model = "theirs", .vectors = {{1.0F}}, .prompt_tokens = 2}, *request
        )),
        J::parse(R"({"embeddings":[[1.0]],"model":"m","input_tokens":2})")
    );
    EXPECT_FALSE(codec().read_embed(R"({"model":"m"})"));
    EXPECT_FALSE(codec().read_embed(R"({"model":"m","texts":"a"})"));
}

TEST(NovaCodec, SaysWhatIsWrong) {
    const auto refusal = [](std::string_view body) {
        const auto request = codec().read_request(body);
        return request ? "accepted" : request.error().message;
    };
    EXPECT_EQ(refusal("{}"), "messages must be a list with at least one message.");
    EXPECT_EQ(
        refusal(R"({"messages":[{"role":"king"}]})"),
        "messages[0].role must be system, user, assistant or tool."
    );
    EXPECT_EQ(
        refusal(R"({"messages":[{"role":"user","content":[{"type":"audio"}]}]})"),
        "messages[0].content[0].type must be text or image_url."
    );
    EXPECT_EQ(
        refusal(R"({"messages":[{"role":"user"}],"tools":[{}]})"), "tools[0].name is missing."
    );
}

TEST(NovaCodec, NoProviderSpeaksIt) {
    EXPECT_EQ(codec().write_request({}, {}).error().code, ErrorCode::unsupported);
    EXPECT_FALSE(codec().write_embed({}, {}));
    EXPECT_FALSE(codec().read_embed_answer("{}"));
    const auto reader = codec().reader(true);
    EXPECT_EQ(in_words(events_of(*reader, "data: {}\n\n")), "failed(unsupported)");
}

}  // namespace
}  // namespace nova::dialect

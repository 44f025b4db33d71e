// Whole ways through the gateway: clients of one dialect in front of providers of another.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/dialect_probe.hpp"
#include "dialect/ollama_captured.hpp"
#include "dialect/ollama_codec.hpp"

namespace nova::dialect {
namespace {

using J = nlohmann::ordered_json;

std::string translated(const Codec& from, const Codec& to, std::string_view answer, bool stream) {
    const auto reader = from.reader(stream);
    const auto writer = to.writer({.id = "chatcmpl-1", .model = "mine", .created = 7}, stream);
    std::string out;
    for (const ChatEvent& event : events_of(*reader, answer)) {
        writer->write(event, out);
    }
    writer->end(out);
    return out;
}

std::string read(const Codec& codec, std::string_view bytes, bool stream) {
    const auto reader = codec.reader(stream);
    return in_words(events_of(*reader, bytes));
}

TEST(OllamaCodec, ARequestSurvivesTheWayToOllamaAndBack) {
    constexpr std::string_view kBody = R"({"model":"m","messages":[
        {"role":"system","content":"be brief"},
        {"role":"user","content":[{"type":"text","text":"what?"},
            {"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgoA"}}]},
        {"role":"assistant","content":null,"tool_calls":[
            {"id":"c1","type":"function","function":{"name":"f",
             "arguments":"{\"b\":1,\"a\":2}"}}]},
        {"role":"tool","content":"42","tool_call_id":"c1"}],
        "tools":[{"type":"function","function":{"name":"f","description":"d",
            "parameters":{"type":"object","properties":{"z":{},"a":{}}}}}],
        "stream":false,"max_tokens":5,"temperature":0.5,"seed":9007199254740993,"stop":["a","b"],
        "response_format":{"type":"json_schema","json_schema":{"name":"answer",
            "schema":{"type":"object"}}},"reasoning_effort":"low"})";
    const auto there = openai_codec().read_request(kBody);
    ASSERT_TRUE(there);
    const auto sent = ollama_codec().write_request(*there, {});
    ASSERT_TRUE(sent);
    const auto back = ollama_codec().read_request(*sent);
    ASSERT_TRUE(back);
    const auto again = openai_codec().write_request(*back, {});
    ASSERT_TRUE(again);
    EXPECT_EQ(nlohmann::json::parse(*again), nlohmann::json::parse(kBody));
}

TEST(OllamaCodec, OllamasStreamBecomesOpenAis) {
    const std::string out = translated(ollama_codec(), openai_codec(), captured::kToolStream, true);
    EXPECT_EQ(
        read(openai_codec(), out, true),
        "begun(mine) call(0 call_p1jgoulb get_weather) args(0 {\"city\":\"Paris\",\"at\":1}) "
        "finished(tool_calls)"
    );
    EXPECT_TRUE(out.ends_with("data: [DONE]\n\n"));
    EXPECT_NE(out.find("\"created\":1795398429"), std::string::npos) << out;
}

TEST(OllamaCodec, OllamasWholeAnswerBecomesOpenAis) {
    const J body =
        J::parse(translated(ollama_codec(), openai_codec(), captured::kChatWhole, false));
    EXPECT_EQ(body["id"], "chatcmpl-1");
    EXPECT_EQ(body["choices"][0]["message"]["content"], "I'm so glad you're here!");
    EXPECT_EQ(body["choices"][0]["finish_reason"], "length");
    EXPECT_EQ(body["usage"]["prompt_tokens"], 12);
    EXPECT_EQ(body["usage"]["total_tokens"], 20);
}

TEST(OllamaCodec, AnErrorInsideA200BecomesAnErrorEvent) {
    const std::string out = translated(
        ollama_codec(), openai_codec(),
        "{\"message\":{\"content\":\"Hi\"}}\n{\"error\":\"out of memory\"}\n", true
    );
    EXPECT_EQ(read(openai_codec(), out, true), "begun(mine) text(Hi) failed(upstream_failed)");
    EXPECT_NE(out.find("out of memory"), std::string::npos);
    EXPECT_EQ(out.find("[DONE]"), std::string::npos);
}

TEST(OllamaCodec, OpenAisStreamBecomesOllamas) {
    constexpr std::string_view kStream =
        "data: {\"id\":\"c\",\"created\":9,\"model\":\"t\",\"choices\":[{\"delta\":{\"role\":"
        "\"assistant\",\"content\":\"\"}}]}\n\n"
        "data: {\"choices\":[{\"delta\":{\"reasoning\":\"hm\"}}]}\n\n"
        "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\n"
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2}}\n\n"
        "data: [DONE]\n\n";
    EXPECT_EQ(
        read(ollama_codec(), translated(openai_codec(), ollama_codec(), kStream, true), true),
        "begun(mine) thought(hm) text(Hi) finished(stop) usage(3/2)"
    );
    const std::string generated =
        translated(openai_codec(), ollama_generate_codec(), kStream, true);
    EXPECT_NE(generated.find("\"response\":\"Hi\""), std::string::npos);
    EXPECT_EQ(
        read(ollama_generate_codec(), generated, true),
        "begun(mine) thought(hm) text(Hi) finished(stop) usage(3/2)"
    );
}

TEST(OllamaCodec, ItsOwnStreamComesBackAsItWas) {
    for (const auto stream : {captured::kChatStream, captured::kToolStream}) {
        const std::string out = translated(ollama_codec(), ollama_codec(), stream, true);
        const std::string before = read(ollama_codec(), stream, true);
        const std::string after = read(ollama_codec(), out, true);
        EXPECT_EQ(after.substr(after.find(' ')), before.substr(before.find(' ')));
    }
}

TEST(OllamaCodec, ErrorsAreOneSentence) {
    const Error error{
        .code = ErrorCode::rate_limited, .message = "Slow down.", .remedy = "Wait a minute."
    };
    const std::string body = ollama_codec().write_error(error);
    EXPECT_EQ(body, R"({"error":"Slow down. Wait a minute."})");
    EXPECT_EQ(ollama_codec().write_error_event(error), body + "\n");
    EXPECT_EQ(ollama_codec().read_error(429, body).code, error.code);
}

TEST(OllamaCodec, IsFoundByItsDialect) {
    EXPECT_EQ(&codec_of(Dialect::ollama), &ollama_codec());
    EXPECT_EQ(&codec_of(Dialect::ollama_generate), &ollama_generate_codec());
    EXPECT_EQ(&codec_of(Dialect::openai), &openai_codec());
}

}  // namespace
}  // namespace nova::dialect

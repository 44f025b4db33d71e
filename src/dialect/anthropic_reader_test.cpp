// Answers of Anthropic's messages API: what they mean.
#include <gtest/gtest.h>

#include "dialect/anthropic_answer.hpp"
#include "dialect/dialect_probe.hpp"
#include "net/sse.hpp"

namespace nova::dialect {
namespace {

using namespace std::string_view_literals;

struct Said {
    std::string_view name;
    std::string_view members;  // behind the type
};

std::string stream_of(std::initializer_list<Said> events) {
    std::string all;
    for (const Said& said : events) {
        all += net::sse_event(
            said.name,
            fmt::format(
                R"({{"type":"{}"{}{}}})", said.name, said.members.empty() ? "" : ",", said.members
            )
        );
    }
    return all;
}

std::string read(std::string_view bytes, bool stream = true, std::uint64_t seed = 0) {
    const auto reader = anthropic::reader(stream);
    return in_words(events_of(*reader, bytes, seed));
}

constexpr Said kStart{
    "message_start",
    R"("message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],)"
    R"("stop_reason":null,"usage":{"input_tokens":9,"output_tokens":1}})"
};
constexpr Said kText{
    "content_block_start", R"("index":0,"content_block":{"type":"text","text":""})"
};
constexpr Said kHi{
    "content_block_delta", R"("index":0,"delta":{"type":"text_delta","text":"Gr\u00fc\u00dfe"})"
};
constexpr Said kStop{"content_block_stop", R"("index":0)"};
constexpr Said kEnd{
    "message_delta",
    R"("delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":5})"
};
constexpr Said kOver{"message_stop", ""};

TEST(AnthropicReader, ReadsAStreamWhateverItsPieces) {
    const std::string bytes = stream_of(
        {kStart,
         kText,
         {"ping", ""},
         kHi,
         {"content_block_delta", R"("index":0,"delta":{"type":"citations_delta","citation":{}})"},
         {"content_block_delta", R"("index":0,"delta":{"type":"text_delta","text":"ö\n"})"},
         kStop,
         {"an_event_of_next_year", ""},
         kEnd,
         kOver}
    );
    const std::string expected =
        "begun(m) usage(9/1) alive text(Grüße) text(ö\n) usage(9/5) finished(stop)";
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        ASSERT_EQ(read(bytes, true, seed), expected) << seed;
    }
    const auto reader = anthropic::reader(true);
    std::vector<ChatEvent> events;
    for (const char& byte : bytes) {
        reader->feed({&byte, 1}, events);
    }
    reader->end(events);
    EXPECT_EQ(in_words(events), expected);
}

TEST(AnthropicReader, CountsCallsApartFromText) {
    EXPECT_EQ(
        read(stream_of(
            {kStart,
             kText,
             kHi,
             kStop,
             {"content_block_start",
              R"("index":1,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}})"},
             {"content_block_delta",
              R"("index":1,"delta":{"type":"input_json_delta","partial_json":""})"},
             {"content_block_delta",
              R"("index":1,"delta":{"type":"input_json_delta","partial_json":"{\"x\":"})"},
             {"content_block_delta",
              R"("index":1,"delta":{"type":"input_json_delta","partial_json":"1}"})"},
             {"content_block_stop", R"("index":1)"},
             {"content_block_start",
              R"("index":2,"content_block":{"type":"tool_use","id":"","name":"g","input":{}})"},
             {"content_block_stop", R"("index":2)"},
             {"content_block_start",
              R"("index":3,"content_block":{"type":"tool_use","id":"c","name":"h",)"
              R"("input":{"z":1,"y":2}})"},
             {"message_delta", R"("delta":{"stop_reason":"tool_use"})"},
             kOver}
        )),
        "begun(m) usage(9/1) text(Grüße) call(0 a f) args(0 {\"x\":) args(0 1}) "
        "call(1 toolu_1 g) args(1 {}) call(2 c h) args(2 {\"z\":1,\"y\":2}) "
        "finished(tool_calls)"
    );
}

TEST(AnthropicReader, ToolsThatRunThereAreNoCalls) {
    EXPECT_EQ(
        read(stream_of(
            {kStart,
             {"content_block_start",
              R"("index":0,"content_block":{"type":"server_tool_use","id":"s","name":"web"})"},
             {"content_block_delta",
              R"("index":0,"delta":{"type":"input_json_delta","partial_json":"{}"})"},
             kStop,
             {"content_block_start",
              R"("index":1,"content_block":{"type":"mcp_tool_result","content":[]})"},
             {"content_block_stop", R"("index":1)"},
             kEnd,
             kOver}
        )),
        "begun(m) usage(9/1) usage(9/5) finished(stop)"
    );
    EXPECT_EQ(
        read(stream_of(
            {kStart,
             {"content_block_delta",
              R"("index":4,"delta":{"type":"input_json_delta","partial_json":"{}"})"},
             kEnd,
             kOver}
        )),
        "begun(m) usage(9/1) failed(upstream_broken_answer)"
    );
}

TEST(AnthropicReader, KeepsThinkingAndItsSignature) {
    const std::string bytes = stream_of(
        {kStart,
         {"content_block_start",
          R"("index":0,"content_block":{"type":"thinking","thinking":"","signature":""})"},
         {"content_block_delta", R"("index":0,"delta":{"type":"thinking_delta","thinking":"hm"})"},
         {"content_block_delta", R"("index":0,"delta":{"type":"signature_delta","signature":"S"})"},
         kStop,
         kEnd,
         kOver}
    );
    EXPECT_EQ(read(bytes), "begun(m) usage(9/1) thought(hm) thought() usage(9/5) finished(stop)");
    const auto reader = anthropic::reader(true);
    const auto events = events_of(*reader, bytes);
    EXPECT_EQ(std::get<ReasoningDelta>(events.at(3)).signature, "S");
}

TEST(AnthropicReader, CountsCachedTokensOnce) {
    const auto reader = anthropic::reader(true);
    const auto events = events_of(
        *reader,
        stream_of(
            {{"message_start",
              R"("message":{"model":"m","usage":{"input_tokens":10,"cache_read_input_tokens":100,)"
              R"("cache_creation_input_tokens":20,"output_tokens":1}})"},
             {"message_delta",
              R"("delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":0,)"
              R"("cache_read_input_tokens":100,"cache_creation_input_tokens":20,)"
              R"("output_tokens":7,"output_tokens_details":{"thinking_tokens":3}})"},
             kOver}
        )
    );
    ASSERT_EQ(in_words(events), "begun(m) usage(130/1) usage(130/7) finished(stop)");
    const auto& usage = std::get<Usage>(events.at(2));
    EXPECT_EQ(usage.cached, 100U);
    EXPECT_EQ(usage.cache_write, 20U);
    EXPECT_EQ(usage.reasoning, 3U);
}

TEST(AnthropicReader, KnowsWhyItEnded) {
    const std::pair<std::string_view, FinishReason> rows[] = {
        {"end_turn", FinishReason::stop},
        {"stop_sequence", FinishReason::stop},
        {"pause_turn", FinishReason::stop},
        {"max_tokens", FinishReason::length},
        {"tool_use", FinishReason::tool_calls},
        {"refusal", FinishReason::refusal},
        {"something new", FinishReason::other},
        {"model_context_window_exceeded", FinishReason::length},
    };
    for (const auto& [word, reason] : rows) {
        const auto reader = anthropic::reader(false);
        const auto events = events_of(
            *reader, fmt::format(
                         R"({{"type":"message","content":[],"stop_reason":"{}",)"
                         R"("stop_sequence":"END"}})",
                         word
                     )
        );
        ASSERT_EQ(events.size(), 2U) << word;
        const auto& finished = std::get<Finished>(events.at(1));
        EXPECT_EQ(finished.reason, reason) << word;
        EXPECT_EQ(finished.raw, word);
        EXPECT_EQ(finished.stop_sequence, "END");
    }
}

TEST(AnthropicReader, TellsAStreamThatBreaksOff) {
    EXPECT_EQ(
        read(stream_of({kStart, kText, kHi})),
        "begun(m) usage(9/1) text(Grüße) failed(upstream_broken_answer)"
    );
    EXPECT_EQ(
        read(stream_of({kStart, kEnd})),
        "begun(m) usage(9/1) usage(9/5) failed(upstream_broken_answer)"
    );
    EXPECT_EQ(
        read(stream_of({kStart, kOver})), "begun(m) usage(9/1) failed(upstream_broken_answer)"
    );
    EXPECT_EQ(read(""), "failed(upstream_broken_answer)");
    EXPECT_EQ(read("event: message_start\ndata: oops\n\n"), "failed(upstream_broken_answer)");
}

TEST(AnthropicReader, TheLastEventMayLackItsBlankLine) {
    std::string bytes = stream_of({kStart, kEnd, kOver});
    bytes.resize(bytes.size() - 2);
    EXPECT_EQ(read(bytes), "begun(m) usage(9/1) usage(9/5) finished(stop)");
}

TEST(AnthropicReader, FindsAnErrorInsideA200) {
    EXPECT_EQ(
        read(stream_of(
            {kStart, {"error", R"("error":{"type":"overloaded_error","message":"busy"})"}, kEnd}
        )),
        "begun(m) usage(9/1) failed(overloaded_error)"
    );
    EXPECT_EQ(read("event: error\ndata: out of memory\n\n"), "failed(upstream_broken_answer)");
    EXPECT_EQ(
        read(R"({"type":"error","error":{"type":"rate_limit_error","message":"slow"}})", false),
        "failed(rate_limit_error)"
    );
}

TEST(AnthropicReader, ReadsAWholeAnswer) {
    EXPECT_EQ(
        read(
            R"({"id":"msg_1","type":"message","role":"assistant","model":"m","content":[)"
            R"({"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"Hi"},)"
            R"({"type":"tool_use","id":"t","name":"f","input":{"b":1,"a":2}},)"
            R"({"type":"tool_use","id":"u","name":"g","input":{}}],"stop_reason":"end_turn",)"
            R"("stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":4}})",
            false, 5
        ),
        "begun(m) thought(hm) text(Hi) call(0 t f) args(0 {\"b\":1,\"a\":2}) call(1 u g) "
        "args(1 {}) usage(3/4) finished(tool_calls)"
    );
    EXPECT_EQ(read("<html>502</html>", false), "failed(upstream_broken_answer)");
    EXPECT_EQ(read(R"({"content":[]})", false), "begun() failed(upstream_broken_answer)");
}

}  // namespace
}  // namespace nova::dialect

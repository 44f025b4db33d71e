// What Ollama's answers mean; some as captured, some as others saw them.
#include <gtest/gtest.h>

#include "dialect/dialect_probe.hpp"
#include "dialect/ollama_answer.hpp"
#include "dialect/ollama_captured.hpp"

namespace nova::dialect {
namespace {

std::vector<ChatEvent> events(std::string_view bytes, bool stream = true, std::uint64_t seed = 0) {
    const auto reader = ollama::reader(stream);
    return events_of(*reader, bytes, seed);
}

std::string read(std::string_view bytes, bool stream = true) {
    return in_words(events(bytes, stream));
}

constexpr std::string_view kDone = R"({"message":{"content":""},"done":true,"done_reason":"stop"})"
                                   "\n";

std::string then_done(std::string_view line) {
    return std::string{line} + "\n" + std::string{kDone};
}

struct Row {
    std::string_view name;
    std::string bytes;
    std::string_view expected;
};

const Row kStreams[] = {
    {"captured chat", std::string{captured::kChatStream},
     "begun(smol:135m) text(I) text('m) text( so) text( glad) text( you) text('re) text( here) "
     "text(!) finished(length) usage(12/8)"},
    {"captured tool call", std::string{captured::kToolStream},
     "begun(tools:135m) call(0 call_p1jgoulb get_weather) args(0 {\"city\":\"Paris\",\"at\":1}) "
     "finished(tool_calls) usage(56/63)"},
    {"captured generate", std::string{captured::kGenerateStream},
     "begun(smol:135m) text(I) text('m) text( glad) text( you) finished(length) usage(12/4)"},
    {"CRLF and blank lines",
     "{\"message\":{\"content\":\"Gr\\u00fc\u00dfe\"}}\r\n\r\n\n{\"done\":true}\r\n",
     "begun() text(Grüße) finished(stop)"},
    {"the last line without its end",
     R"({"message":{"content":"a"},"done":true,"done_reason":"stop"})",
     "begun() text(a) finished(stop)"},
    {"thinking before content in one line",
     then_done(R"({"message":{"content":"so","thinking":"hm"}})"),
     "begun() thought(hm) text(so) finished(stop)"},
    {"calls without index and id, arguments in any shape",
     then_done(R"({"message":{"tool_calls":[{"function":{"name":"f","arguments":{"b":1,"a":2}}},)"
               R"({"function":{"name":"g","arguments":"{\"x\":1}"}},{"function":{"name":"h"}}]}})"),
     "begun() call(0 call_0 f) args(0 {\"b\":1,\"a\":2}) call(1 call_1 g) args(1 {\"x\":1}) "
     "call(2 call_2 h) args(2 {}) finished(tool_calls)"},
    {"the same index for two calls in two lines",
     R"({"message":{"tool_calls":[{"id":"a","function":{"index":0,"name":"f","arguments":{}}}]}})"
     "\n" +
         then_done(R"({"message":{"tool_calls":[{"id":"b","function":{"index":0,"name":"g",)"
                   R"("arguments":{}}}]}})"),
     "begun() call(0 a f) args(0 {}) call(1 b g) args(1 {}) finished(tool_calls)"},
    {"an error inside a 200",
     R"({"message":{"content":"a"}})"
     "\n{\"error\":\"model runner has unexpectedly stopped\"}\n",
     "begun() text(a) failed(upstream_failed)"},
    {"an error object inside a 200", R"({"error":{"message":"no","code":"busy"}})", "failed(busy)"},
    {"a line that is no JSON", "upstream connect error\n", "failed(upstream_broken_answer)"},
    {"a page for browsers", "<html>502</html>\n", "failed(upstream_broken_answer)"},
    {"JSON that is no answer", "{\"detail\":\"Not Found\"}\n", "failed(upstream_broken_answer)"},
    {"no end",
     R"({"message":{"content":"a"},"done":false})"
     "\n",
     "begun() text(a) failed(upstream_broken_answer)"},
    {"half a line at the end",
     R"({"message":{"content":"a"}})"
     "\n{\"message\":{\"con",
     "begun() text(a) failed(upstream_broken_answer)"},
    {"nothing at all", "", "failed(upstream_broken_answer)"},
    {"a warm-up", std::string{captured::kLoaded}, "begun(smol:135m) finished(other)"},
    {"two objects without a border", R"({"message":{"content":"a}"}}{"done":true})",
     "begun() text(a}) finished(stop)"},
    {"what follows the end", std::string{kDone} + "{\"error\":\"late\"}\nrubbish\n",
     "begun() finished(stop)"},
    {"only one count", R"({"done":true,"eval_count":3})", "begun() finished(stop) usage(0/3)"},
    {"length stays length although tools were called",
     R"({"message":{"tool_calls":[{"function":{"name":"f"}}]},"done":true,"done_reason":"length"})",
     "begun() call(0 call_0 f) args(0 {}) finished(length)"},
};

TEST(OllamaReader, ReadsWhatOllamaSends) {
    for (const Row& row : kStreams) {
        EXPECT_EQ(read(row.bytes), row.expected) << row.name;
    }
}

TEST(OllamaReader, AnySplitGivesTheSameEvents) {
    for (const Row& row : kStreams) {
        const auto reader = ollama::reader(true);
        std::vector<ChatEvent> byte_by_byte;
        for (const char c : row.bytes) {
            reader->feed({&c, 1}, byte_by_byte);
        }
        reader->end(byte_by_byte);
        EXPECT_EQ(in_words(byte_by_byte), row.expected) << row.name;
        for (std::uint64_t seed = 1; seed < 40; ++seed) {
            ASSERT_EQ(in_words(events(row.bytes, true, seed)), row.expected) << row.name << seed;
        }
    }
}

TEST(OllamaReader, ReadsWholeAnswers) {
    EXPECT_EQ(
        read(captured::kChatWhole, false),
        "begun(smol:135m) text(I'm so glad you're here!) finished(length) usage(12/8)"
    );
    EXPECT_EQ(
        read(captured::kToolWhole, false),
        "begun(tools:135m) call(0 call_l9nqrayf get_weather) args(0 {\"city\":\"Paris\",\"at\":1}) "
        "finished(tool_calls) usage(56/63)"
    );
    EXPECT_EQ(
        read(captured::kGenerateWhole, false),
        "begun(smol:135m) text( a canvas of endless) finished(length) usage(3/4)"
    );
    EXPECT_EQ(read("{\n  \"done\": true\n}", false), "begun() finished(stop)");
    EXPECT_EQ(read(R"({"done":false})", false), "begun() failed(upstream_broken_answer)");
    EXPECT_EQ(read("", false), "failed(upstream_broken_answer)");
}

TEST(OllamaReader, KnowsWhenTheAnswerBegan) {
    const auto begun_at = [](std::string_view time) {
        const auto all = events(fmt::format(R"({{"created_at":"{}","done":true}})", time));
        return std::get<Begun>(all.at(0)).created;
    };
    EXPECT_EQ(begun_at("2026-11-23T01:44:57.371668115Z"), 1795398297);
    EXPECT_EQ(begun_at("2026-11-23T03:14:57+01:30"), 1795398297);
    EXPECT_EQ(begun_at("2026-11-22T23:44:57.5-02:00"), 1795398297);
    EXPECT_EQ(begun_at("2026-13-40T99:99:99Z"), 0);
    EXPECT_EQ(begun_at("yesterday"), 0);
}

TEST(OllamaReader, KeepsTheSentenceOfAFailure) {
    const auto message_of = [](std::string_view bytes) {
        const auto all = events(bytes);
        return std::get<Failed>(all.back()).error.message;
    };
    EXPECT_EQ(message_of("{\"error\":\"out of memory\"}\n"), "out of memory");
    EXPECT_EQ(message_of("upstream connect error\n"), "upstream connect error");
    EXPECT_EQ(std::get<Finished>(events(captured::kLoaded).at(1)).raw, "load");
}

TEST(OllamaReader, MemoryIsBounded) {
    const auto reader = ollama::reader(true);
    const std::string piece(1U << 20U, 'x');
    std::vector<ChatEvent> all;
    for (int i = 0; i < 40; ++i) {
        reader->feed(piece, all);
    }
    reader->end(all);
    EXPECT_EQ(in_words(all), "failed(upstream_broken_answer)");
}

TEST(OllamaReader, ALineOfSeveralMegabytesIsRead) {
    const std::string text(3U << 20U, 'a');
    const auto all = events(then_done("{\"message\":{\"content\":\"" + text + "\"}}"), true, 0);
    ASSERT_EQ(all.size(), 3U);
    EXPECT_EQ(std::get<TextDelta>(all[1]).text, text);
}

struct Refusal {
    int status;
    std::string_view body;
    ErrorCode code;
    std::string_view word;
};

TEST(OllamaReader, RefusalsKeepTheirMeaning) {
    const Refusal rows[] = {
        {404, captured::kNoModel, ErrorCode::not_found, "model_not_found"},
        {400, captured::kNoTools, ErrorCode::invalid_argument, "invalid_argument"},
        {500, captured::kBadOption, ErrorCode::upstream_failed, "upstream_failed"},
        {503, R"({"error":"server busy, please try again."})", ErrorCode::unavailable, "unavailable"
        },
        {499, R"({"error":"context canceled"})", ErrorCode::cancelled, "cancelled"},
        {401, R"({"error":"unauthorized"})", ErrorCode::upstream_failed, "upstream_auth_error"},
        {502, "<html>Bad Gateway</html>", ErrorCode::upstream_failed, "upstream_failed"},
    };
    for (const Refusal& row : rows) {
        const Error error = ollama::read_error(row.status, row.body);
        EXPECT_EQ(error.code, row.code) << row.body;
        EXPECT_EQ(error.name(), row.word) << row.body;
    }
    EXPECT_EQ(ollama::read_error(404, captured::kNoModel).message, "model 'nope' not found");
}

}  // namespace
}  // namespace nova::dialect

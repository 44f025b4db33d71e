// A codec as the gateway uses it: one request and its answer, from client to upstream and back.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/codec.hpp"
#include "dialect/dialect_probe.hpp"

namespace nova::dialect {
namespace {

TEST(Codec, CarriesARequestThereAndAnAnswerBack) {
    const Codec& codec = openai_codec();
    const auto request = codec.read_request(
        R"({"model":"mine","stream":true,"messages":[{"role":"user","content":"hi"}]})"
    );
    ASSERT_TRUE(request);
    const auto sent = codec.write_request(*request, {.model = "theirs"});
    ASSERT_TRUE(sent);
    EXPECT_EQ(nlohmann::json::parse(*sent)["model"], "theirs");

    const auto reader = codec.reader(false);
    const auto events = events_of(
        *reader,
        R"({"model":"theirs","choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}]})"
    );
    const auto writer = codec.writer({.id = "c", .model = request->model, .created = 1}, true);
    std::string out;
    for (const ChatEvent& event : events) {
        writer->write(event, out);
    }
    writer->end(out);
    const auto back = codec.reader(true);
    EXPECT_EQ(in_words(events_of(*back, out)), "begun(mine) text(Hello) finished(stop)");
}

TEST(Codec, AnErrorReadsAsItWasWritten) {
    const Codec& codec = openai_codec();
    const Error error{.code = ErrorCode::rate_limited, .message = "Slow down.", .word = "too_many"};
    const Error back = codec.read_error(429, codec.write_error(error));
    EXPECT_EQ(back.code, error.code);
    EXPECT_EQ(back.word, error.word);
    EXPECT_EQ(back.message, error.message);
}

}  // namespace
}  // namespace nova::dialect

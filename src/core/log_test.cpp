#include <gtest/gtest.h>

#include "core/log.hpp"

namespace nova {
namespace {

TEST(Redactor, BlacksOutKnownSecretsAndWhatLooksLikeOne) {
    Redactor redactor;
    redactor.add_secret("my-canary-value");
    redactor.add_secret("abc");
    EXPECT_EQ(redactor.clean("x my-canary-value y abc"), "x [redacted] y abc");
    EXPECT_EQ(
        redactor.clean("Authorization: Bearer abcdef0123456789"), "Authorization: Bearer [redacted]"
    );
    EXPECT_EQ(redactor.clean("key sk-proj-0123456789abcdef."), "key sk-[redacted]");
    EXPECT_EQ(redactor.clean("token hf_ABCDEFGHIJKLMNOP end"), "token hf_[redacted] end");
    EXPECT_EQ(redactor.clean("a task-force at risk-free"), "a task-force at risk-free");
    EXPECT_EQ(redactor.clean("GET /x?api_key=0123456789abc&y=1"), "GET /x?api_key=[redacted]&y=1");
}

TEST(Log, WritesOneLinePerEventAndNoForgedOnes) {
    Log log{Log::Sink::none, LogLevel::info};
    log.info("backend.ready", {{"backend", "llamacpp"}, {"detail", "two\nlines \"quoted\""}});
    const auto lines = log.recent();
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0], "backend.ready backend=llamacpp detail=\"two\\nlines \\\"quoted\\\"\"");
}

TEST(Log, NeverShowsASecretInAField) {
    Log log{Log::Sink::none, LogLevel::info};
    log.redactor().add_secret("canary-secret-1");
    log.warn("x", {{"url", "http://h/?k=canary-secret-1"}});
    EXPECT_EQ(log.recent().at(0), "x url=\"http://h/?k=[redacted]\"");
    log.warn("x", {{"plain", "canary-secret-1"}, {"next", "one"}});
    EXPECT_EQ(log.recent().at(1), "x plain=[redacted] next=one");
    log.redactor().add_secret("with \"quotes\"");
    log.warn("x", {{"odd", "a with \"quotes\" b"}});
    EXPECT_EQ(log.recent().at(2), "x odd=\"a [redacted] b\"");
}

TEST(Log, KeepsABoundedNumberOfLines) {
    Log log{Log::Sink::none, LogLevel::info};
    for (int i = 0; i < 1000; ++i) {
        log.info("n", {{"i", std::to_string(i)}});
    }
    EXPECT_EQ(log.recent().size(), 200U);
    EXPECT_EQ(log.recent().back(), "n i=999");
}

}  // namespace
}  // namespace nova

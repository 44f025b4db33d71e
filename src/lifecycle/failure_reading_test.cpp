// Last words of engines and what nova says about them.
#include <gtest/gtest.h>

#include "lifecycle/failure_reading.hpp"

namespace nova::lifecycle {
namespace {

const FailureFacts kFacts{{"engine", "llamacpp"}, {"model", "qwen.gguf"}};

Failure read(std::string_view log, const runtime::ExitStatus& status) {
    return read_failure(evidence_of(log, "llamacpp", status), status.text(), kFacts);
}

TEST(FailureReading, NamesCauseAndRemedyOfWhatIsKnown) {
    const Failure failure = read("error: invalid argument: --warp\n", {.code = 1, .signal = {}});
    EXPECT_EQ(failure.error.failure, "llamacpp-flag-unknown");
    EXPECT_EQ(failure.error.code, "bad_flag");
    EXPECT_EQ(failure.error.confidence, "high");
    EXPECT_EQ(
        failure.error.detail, "This build of llama.cpp does not know --warp. It exited with code 1."
    );
    EXPECT_NE(failure.error.remedy.find("--warp"), std::string::npos);
    EXPECT_TRUE(failure.terminal);
}

TEST(FailureReading, FillsTheRemedyFromTheWishAndSaysNothingItDoesNotKnow) {
    const Failure cut = read("tensor 'x' data is not within the file bounds\n", {});
    EXPECT_EQ(cut.error.remedy, "Fetch qwen.gguf again, because the copy here is damaged.");
    const Failure memory = read("failed to allocate buffer for kv cache\n", {});
    EXPECT_NE(memory.error.remedy.find("smaller than the present one"), std::string::npos);
    EXPECT_EQ(memory.error.remedy.find('{'), std::string::npos);
}

TEST(FailureReading, SpeaksAsSurelyAsItKnows) {
    const Failure crash = read("loading\n", {.code = {}, .signal = 11});
    EXPECT_TRUE(crash.error.detail.starts_with("Probably: ")) << crash.error.detail;
    const FailureEvidence evidence{
        .log = "Initialization failed. warmup error: x", .engine = "sglang"
    };
    const Failure guess = read_failure(evidence, "", {});
    EXPECT_TRUE(guess.error.detail.starts_with("Possibly: ")) << guess.error.detail;
    EXPECT_FALSE(guess.terminal);
}

TEST(FailureReading, SaysThatItDoesNotKnowAndShowsTheEnd) {
    std::string log;
    for (int i = 0; i < 100; ++i) {
        log += "line " + std::to_string(i) + "\n";
    }
    const Failure failure = read(log, {.code = 3, .signal = {}});
    EXPECT_EQ(failure.error.code, "engine_exited");
    EXPECT_EQ(failure.error.detail, "The engine exited with code 3; nova does not know why.");
    EXPECT_TRUE(failure.error.failure.empty());
    EXPECT_TRUE(failure.error.confidence.empty());
    EXPECT_FALSE(failure.terminal);
    EXPECT_TRUE(failure.error.log_excerpt.starts_with("line 80\n"));
    EXPECT_TRUE(failure.error.log_excerpt.ends_with("line 99"));
}

TEST(FailureReading, TriesAgainWhenTheKernelTookTheMemory) {
    const Failure failure = read(
        "failed to allocate buffer for kv cache\n", {.code = {}, .signal = 9, .out_of_memory = true}
    );
    EXPECT_EQ(failure.error.failure, "kernel-out-of-memory");
    EXPECT_FALSE(failure.terminal);
}

TEST(FailureReading, AnAnswerThatRefusesIsReadLikeALog) {
    const Error error{
        .code = ErrorCode::upstream_failed,
        .message = "Ollama: model requires more system memory (9.1 GiB) than is available"
    };
    const Failure failure = failure_from(error, {.log = "started", .engine = "ollama"}, kFacts);
    EXPECT_EQ(failure.error.failure, "ollama-memory-short");
    EXPECT_TRUE(failure.terminal);
    EXPECT_TRUE(failure.error.log_excerpt.ends_with("than is available"));
    const Failure other = failure_from(
        {.code = ErrorCode::upstream_failed, .message = "Nothing told."},
        {.log = "the end\n", .engine = "ollama"}, kFacts
    );
    EXPECT_EQ(other.error.detail, "Nothing told.");
    EXPECT_EQ(other.error.log_excerpt, "the end");
    EXPECT_FALSE(other.terminal);
}

TEST(FailureReading, OldWordsOfAnEngineThatGoesOnDoNotCount) {
    EXPECT_EQ(written_since("old\n", "old\nnew\n"), "new\n");
    EXPECT_EQ(written_since("", "new\n"), "new\n");
    EXPECT_EQ(written_since("gone\n", "new\n"), "new\n");
    const std::string before(1000, 'a');
    EXPECT_EQ(written_since(before + "b", (before + "bc").substr(500)), "c");
}

TEST(FailureReading, TellsErrorsThatPassFromThoseThatStay) {
    EXPECT_TRUE(failure_from({.code = ErrorCode::not_found, .message = "x"}).terminal);
    EXPECT_FALSE(failure_from({.code = ErrorCode::unavailable, .message = "x"}).terminal);
}

}  // namespace
}  // namespace nova::lifecycle

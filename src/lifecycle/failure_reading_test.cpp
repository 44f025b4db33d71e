// Last words of engines and what nova says about them.
#include <gtest/gtest.h>

#include "lifecycle/failure_reading.hpp"

namespace nova::lifecycle {
namespace {

struct Row {
    std::string_view log;
    std::string_view code;
    bool terminal;
};

TEST(FailureReading, NamesTheCauseOfWhatEnginesSay) {
    const Row rows[] = {
        {"srv start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 80\n",
         "port_in_use", false},
        {"Error: listen tcp 127.0.0.1:11434: bind: address already in use\n", "port_in_use", false},
        {"llama_model_load: error loading model: tensor 'x' data is not within the file bounds\n",
         "model_broken", true},
        {"gguf_init_from_file_impl: invalid magic characters\n", "model_broken", true},
        {"error: invalid argument: --no-such-flag\n", "bad_flag", true},
        {"llama-server: error while loading shared libraries: libllama.so.0\n", "library_missing",
         true},
        {"ggml_backend_cuda: cudaMalloc failed: out of memory\n", "out_of_memory", true},
        {"nothing telling\n", "engine_exited", false},
        {"", "engine_exited", false},
    };
    for (const Row& row : rows) {
        const Failure failure = read_failure(row.log, "exited with code 1", false);
        EXPECT_EQ(failure.error.code, row.code) << row.log;
        EXPECT_EQ(failure.terminal, row.terminal) << row.log;
        EXPECT_FALSE(failure.error.remedy.empty());
        EXPECT_NE(failure.error.detail.find("exited with code 1"), std::string::npos);
    }
}

TEST(FailureReading, KeepsTheLastLinesOnly) {
    std::string log;
    for (int i = 0; i < 100; ++i) {
        log += "line " + std::to_string(i) + "\n";
    }
    const Failure failure = read_failure(log, "ended", false);
    EXPECT_EQ(failure.error.log_excerpt.substr(0, 7), "line 80");
    EXPECT_TRUE(failure.error.log_excerpt.ends_with("line 99"));
}

TEST(FailureReading, TriesAgainWhenTheKernelTookTheMemory) {
    const Failure failure = read_failure("loading\n", "was killed by signal 9", true);
    EXPECT_EQ(failure.error.code, "out_of_memory");
    EXPECT_FALSE(failure.terminal);
}

TEST(FailureReading, TellsErrorsThatPassFromThoseThatStay) {
    EXPECT_TRUE(failure_from({.code = ErrorCode::not_found, .message = "x"}).terminal);
    EXPECT_FALSE(failure_from({.code = ErrorCode::unavailable, .message = "x"}).terminal);
}

}  // namespace
}  // namespace nova::lifecycle

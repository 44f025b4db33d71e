// What can go wrong, and the one table that says what each kind means to clients, retries and
// shells.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace nova {

// Closed list: a new code needs a row in the policy table (error.cpp), the compiler insists.
enum class ErrorCode : std::uint8_t {
    invalid_argument,
    unauthorized,
    forbidden,
    not_found,
    conflict,
    too_large,
    unprocessable,
    rate_limited,
    exhausted,
    budget,
    unsupported,
    timeout,
    cancelled,
    unavailable,
    upstream_failed,
    runtime_failed,
    corrupt,
    internal,
    precondition,
};

struct Error {
    ErrorCode code = ErrorCode::internal;
    std::string message;   // one sentence the user can act on
    std::string word{};    // e.g. "model_not_found"; empty: the code's own word
    std::string remedy{};  // what to do, one sentence; may be empty
    std::optional<std::chrono::seconds> retry_after{};

    // The finer word, or the code's.
    std::string_view name() const;
};

enum class LogLevel : std::uint8_t { debug, info, warn, error };

// Exit codes of the command line (decisions.md 2.21).
enum class ExitCode : std::uint8_t {
    ok = 0,
    failed = 1,
    usage = 2,
    not_reachable = 3,
    credentials = 4,
    not_found = 5,
    conflict = 6,
    precondition = 7,
    store_damaged = 8,
    timeout = 9,
    rolled_back = 10,
    interrupted = 130,
};

struct ErrorPolicy {
    std::string_view word;  // on the wire and in logs
    int http_status;
    std::string_view openai_type;  // error.type of an OpenAI error body
    bool retry;                    // may the controller try the same again by itself
    bool fall_back;                // may the router try the next provider
    ExitCode exit_code;
    LogLevel level;
};

const ErrorPolicy& policy(ErrorCode code);
// The code whose word this is; empty for an unknown word.
std::optional<ErrorCode> error_code_from(std::string_view word);

}  // namespace nova

// The policy table: the only place that turns an error into a status, a retry or an exit code.
#include "core/error.hpp"

#include <array>
#include <utility>

namespace nova {
namespace {

using enum ErrorCode;
using enum LogLevel;

struct Row {
    ErrorCode code;
    ErrorPolicy policy;
};

// Columns: word, HTTP, OpenAI type, retry by the controller, fall back, exit code, log level.
// OpenAI types as its API reference lists them; statuses as contract.md 5 and 6 name them.
constexpr std::array<Row, 19> kRows{{
    {invalid_argument,
     {"invalid_argument", 400, "invalid_request_error", false, false, ExitCode::usage, info}},
    {unauthorized,
     {"unauthorized", 401, "authentication_error", false, false, ExitCode::credentials, warn}},
    {forbidden, {"forbidden", 403, "permission_error", false, false, ExitCode::credentials, warn}},
    {not_found, {"not_found", 404, "invalid_request_error", false, false, ExitCode::not_found, info}
    },
    {conflict, {"conflict", 409, "invalid_request_error", false, false, ExitCode::conflict, info}},
    {too_large, {"too_large", 413, "invalid_request_error", false, false, ExitCode::usage, info}},
    {unprocessable,
     {"unprocessable", 422, "invalid_request_error", false, false, ExitCode::usage, info}},
    {rate_limited, {"rate_limited", 429, "rate_limit_error", true, true, ExitCode::failed, info}},
    {exhausted, {"exhausted", 503, "server_error", true, true, ExitCode::precondition, warn}},
    {budget, {"budget", 402, "insufficient_quota", false, false, ExitCode::failed, info}},
    {unsupported,
     {"unsupported", 501, "invalid_request_error", false, false, ExitCode::precondition, info}},
    {timeout, {"timeout", 504, "timeout_error", true, true, ExitCode::timeout, warn}},
    {cancelled, {"cancelled", 499, "invalid_request_error", false, false, ExitCode::failed, info}},
    {unavailable,
     {"unavailable", 503, "service_unavailable", true, true, ExitCode::not_reachable, warn}},
    {upstream_failed, {"upstream_failed", 502, "upstream_error", true, true, ExitCode::failed, warn}
    },
    {runtime_failed, {"runtime_failed", 503, "server_error", true, true, ExitCode::failed, error}},
    {corrupt, {"corrupt", 500, "server_error", false, false, ExitCode::store_damaged, error}},
    {internal, {"internal", 500, "server_error", false, false, ExitCode::failed, error}},
    {precondition,
     {"precondition", 409, "invalid_request_error", false, false, ExitCode::precondition, warn}},
}};

}  // namespace

const ErrorPolicy& policy(ErrorCode code) {
    return kRows[static_cast<std::size_t>(std::to_underlying(code))].policy;
}

std::optional<ErrorCode> error_code_from(std::string_view word) {
    for (const Row& row : kRows) {
        if (row.policy.word == word) {
            return row.code;
        }
    }
    return std::nullopt;
}

std::string_view Error::name() const {
    return word.empty() ? policy(code).word : std::string_view{word};
}

// A row out of place would silently give a code another one's meaning.
static_assert([] {
    for (std::size_t i = 0; i < kRows.size(); ++i) {
        if (static_cast<std::size_t>(std::to_underlying(kRows[i].code)) != i) {
            return false;
        }
    }
    return true;
}());

}  // namespace nova

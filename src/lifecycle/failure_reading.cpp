// Words around what the catalog found; how sure nova is decides how it speaks.
#include "lifecycle/failure_reading.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace nova::lifecycle {
namespace {

std::string_view neutral_word(std::string_view name) {
    if (name == "engine") {
        return "the engine";
    }
    if (name == "model") {
        return "the model";
    }
    if (name == "port") {
        return "its port";
    }
    return name == "context" ? "the present one" : "of the log excerpt";
}

std::string filled(std::string_view text, const FailureFacts& facts) {
    std::string out;
    while (!text.empty()) {
        const std::size_t at = std::min(text.find('{'), text.size());
        out += text.substr(0, at);
        if (at == text.size()) {
            break;
        }
        const std::size_t end = std::min(text.find('}', at), text.size() - 1);
        const std::string_view name = text.substr(at + 1, end - at - 1);
        const auto known = facts.find(name);
        out += known == facts.end() || known->second.empty() ? neutral_word(name) : known->second;
        text.remove_prefix(end + 1);
    }
    return out;
}

std::string_view hedge(Confidence confidence) {
    switch (confidence) {
    case Confidence::low:
        return "Possibly: ";
    case Confidence::medium:
        return "Probably: ";
    case Confidence::high:
        return "";
    }
    return "";
}

Failure failure_of(const FailureMatch& match, const FailureFacts& known, std::string_view log) {
    const KnownFailure& found = *match.failure;
    FailureFacts facts = known;
    facts["value"] = match.value;
    Failure failure;
    failure.terminal = !found.retry_helps;
    failure.error.code = found.code;
    failure.error.detail = fmt::format("{}{}", hedge(found.confidence), filled(found.cause, facts));
    failure.error.remedy = filled(found.remedy, facts);
    failure.error.log_excerpt = excerpt_around(log, match.offset);
    failure.error.failure = found.id;
    failure.error.confidence = word(found.confidence);
    return failure;
}

}  // namespace

FailureEvidence
evidence_of(std::string_view log, std::string_view engine, const runtime::ExitStatus& status) {
    return {
        .log = log,
        .engine = engine,
        .exit_code = status.code,
        .exit_signal = status.signal,
        .out_of_memory = status.out_of_memory
    };
}

Failure read_failure(
    const FailureEvidence& evidence, std::string_view how, const FailureFacts& facts,
    const FailureCatalog& catalog
) {
    if (const auto match = catalog.find(evidence)) {
        Failure failure = failure_of(*match, facts, evidence.log);
        if (!how.empty()) {
            failure.error.detail += fmt::format(" It {}.", how);
        }
        return failure;
    }
    Failure failure;
    failure.error.code = "engine_exited";
    failure.error.detail =
        fmt::format("The engine {}; nova does not know why.", how.empty() ? "ended" : how);
    failure.error.remedy = "Read the end of its log with nova logs.";
    failure.error.log_excerpt = excerpt_around(evidence.log, evidence.log.size());
    return failure;
}

std::string_view written_since(std::string_view before, std::string_view now) {
    // The end of the older text marks the place; long enough to stand there once.
    constexpr std::size_t kMark = 400;
    const std::string_view mark = before.substr(before.size() - std::min(kMark, before.size()));
    const std::size_t at = mark.empty() ? std::string_view::npos : now.rfind(mark);
    return at == std::string_view::npos ? now : now.substr(at + mark.size());
}

Failure
failure_from(const Error& error, const FailureEvidence& evidence, const FailureFacts& facts) {
    std::string words{evidence.log};
    if (!words.empty() && !words.ends_with('\n')) {
        words += '\n';
    }
    words += error.message;
    FailureEvidence all = evidence;
    all.log = words;
    if (const auto match = FailureCatalog::builtin().find(all)) {
        return failure_of(*match, facts, words);
    }
    Failure failure = failure_from(error);
    failure.error.log_excerpt = excerpt_around(evidence.log, evidence.log.size());
    return failure;
}

Failure failure_from(const Error& error) {
    Failure failure;
    failure.error.code = std::string{error.name()};
    failure.error.detail = error.message;
    failure.error.remedy = error.remedy;
    switch (error.code) {
    case ErrorCode::invalid_argument:
    case ErrorCode::unauthorized:
    case ErrorCode::forbidden:
    case ErrorCode::not_found:
    case ErrorCode::too_large:
    case ErrorCode::unprocessable:
    case ErrorCode::budget:
    case ErrorCode::unsupported:
    case ErrorCode::corrupt:
    case ErrorCode::internal:
        failure.terminal = true;
        break;
    case ErrorCode::conflict:
    case ErrorCode::rate_limited:
    case ErrorCode::exhausted:
    case ErrorCode::precondition:
    case ErrorCode::timeout:
    case ErrorCode::cancelled:
    case ErrorCode::unavailable:
    case ErrorCode::upstream_failed:
    case ErrorCode::runtime_failed:
        break;
    }
    return failure;
}

}  // namespace nova::lifecycle

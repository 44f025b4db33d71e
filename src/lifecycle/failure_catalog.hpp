// The failures nova knows (data/failures.json) and the pure search for them in an engine's words.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace nova::lifecycle {

enum class Confidence : std::uint8_t { low, medium, high };
enum class FailureSource : std::uint8_t { observed, documented };

std::string_view word(Confidence confidence);
std::string_view word(FailureSource source);

// Fixed text without regard to case. All conditions that are given must hold; at least one is.
struct FailureSignature {
    std::vector<std::string> line;   // all in one line, in this order
    std::vector<std::string> lines;  // all in this order, over any number of lines
    std::vector<std::string> any_of;
    std::vector<std::string> unless;  // none of them anywhere
    std::optional<int> exit_code;
    std::optional<int> exit_signal;
    bool out_of_memory = false;  // the kernel ended it
};

struct KnownFailure {
    std::string id;
    std::string code;                  // word of the API: several failures may share one
    std::vector<std::string> engines;  // empty: any
    FailureSignature signature;
    std::string cause;  // one sentence, like the remedy; both may name kFailurePlaceholders
    std::string remedy;
    bool retry_helps = true;
    Confidence confidence = Confidence::low;
    FailureSource source = FailureSource::documented;
    std::string observed_with;  // engine and version
};

// What a remedy may be filled with; value is the word behind a fragment that ends in {value}.
inline constexpr std::string_view kFailurePlaceholders[] = {
    "engine", "model", "port", "context", "value"
};

// How an engine ended, or why it is given up: whatever is known of it.
struct FailureEvidence {
    std::string_view log;
    std::string_view engine{};  // empty: unknown, every signature is tried
    std::optional<int> exit_code{};
    std::optional<int> exit_signal{};
    bool out_of_memory = false;
};

struct FailureMatch {
    const KnownFailure* failure = nullptr;
    std::string value;       // what {value} stands for
    std::size_t offset = 0;  // in the log: start of the last matching line; its size without one
    std::size_t weight = 0;  // number of conditions that hold; how specific it is
};

class FailureCatalog {
public:
    // Error invalid_argument: names the failure and what is wrong with it.
    static Result<FailureCatalog> parse(std::string_view text, std::string_view file);
    // The one in the program; a mistake in it ends the process, as a broken build would.
    static const FailureCatalog& builtin();

    std::span<const KnownFailure> all() const { return failures_; }

    // The most specific one; among equals the one whose words stand nearest the end. For an engine
    // that no failure names (a user's own data) every signature is tried.
    std::optional<FailureMatch> find(const FailureEvidence& evidence) const;

private:
    std::vector<KnownFailure> failures_;
};

// Whether this one failure fits, whatever the others say.
std::optional<FailureMatch>
match_failure(const KnownFailure& failure, const FailureEvidence& evidence);

// At most so many lines of the log around the offset, or its end when that is where it points.
std::string excerpt_around(std::string_view log, std::size_t offset);

inline constexpr std::size_t kExcerptLines = 20;

}  // namespace nova::lifecycle

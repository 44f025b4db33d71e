// What Ollama says while it pulls: lines of JSON, added up over the layers of a model. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace nova::catalog {

// Any split of the bytes gives the same. Lines that are not understood are passed over: newer
// versions add some.
class PullReply {
public:
    void feed(std::string_view bytes);

    // "pulling manifest", "pulling 797b70c4edf8", "verifying sha256 digest", ...
    const std::string& status() const { return status_; }

    // Bytes move while this is true; other steps say nothing for as long as they take.
    bool moving_bytes() const { return moving_; }

    std::uint64_t done() const { return done_; }

    // Of the layers seen so far; empty before the first.
    std::optional<std::uint64_t> total() const;

    // Only a line that says so counts: a stream may end in the middle with status 200.
    bool succeeded() const { return succeeded_ && !error_; }

    // Ollama's own words, once it gave up.
    const std::optional<std::string>& error() const { return error_; }

private:
    struct Layer {
        std::uint64_t total = 0;
        std::uint64_t completed = 0;
    };

    void line(std::string_view text);
    void count(const std::string& digest, std::int64_t total, std::int64_t completed);

    std::string pending_;
    bool skipping_ = false;  // the rest of a line that is too long
    std::map<std::string, Layer> layers_;
    std::uint64_t done_ = 0;
    std::uint64_t total_ = 0;
    std::string status_;
    bool moving_ = false;
    bool succeeded_ = false;
    std::optional<std::string> error_;
};

// Cause and remedy of what Ollama said about a pull of that model. retry by code, as everywhere.
Error explain_pull_error(std::string_view words, std::string_view model);

}  // namespace nova::catalog

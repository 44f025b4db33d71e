// The .env file of a Compose deployment: read, changed in place, written whole or not at all.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace nova::config {

// Keeps comments, order and lines it does not understand, because people edit the file too.
class EnvFile {
public:
    // A missing file is an empty one. Error: unavailable when it cannot be read.
    static Result<EnvFile> read(const std::filesystem::path& path);
    static EnvFile parse(std::string_view text);

    // The last line of that name wins, as for Compose; quotes taken off.
    std::optional<std::string> get(std::string_view name) const;
    // Replaces the line that counts, or appends one. Error: unprocessable for a value with a line
    // break or a zero byte, or a bad name.
    Result<void> set(const std::string& name, const std::string& value);
    std::string text() const;

    // Mode 0600: it holds secrets (decisions.md 4.9). Error: precondition.
    Result<void> write(const std::filesystem::path& path) const;

private:
    struct Line {
        std::string raw;
        std::string name;  // empty: a comment or something else
        std::string value;
    };

    static Line parse_line(std::string_view raw);

    std::vector<Line> lines_;
};

// Writes NOVA_INFERENCE_MODE and what follows from it: COMPOSE_PROFILES (foreign tokens kept; ours
// is that of the backend, none under cloud-only) and LLM_ROUTING_STRATEGY. backend: engine word, or
// empty. Error: unprocessable for an unknown mode.
Result<void> set_mode(EnvFile& file, std::string_view mode, std::string_view backend);

}  // namespace nova::config

// A TOML file as flat rows; the only place that sees the TOML library.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/result.hpp"

namespace nova::config {

struct TomlRow {
    std::string key;   // "data_dir", "settings.drain_s", "settings.loading.wait_s"
    std::string text;  // strings as they are; numbers and booleans as written; lists joined by ','
};

// Error: invalid_argument with file, line and what is wrong; a date or a nested list is refused.
Result<std::vector<TomlRow>> read_toml_file(const std::filesystem::path& path);

}  // namespace nova::config

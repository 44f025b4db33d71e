// The log of a run as a file: its end for whoever asks, and the copy that outlives a container.
#pragma once

#include <string>
#include <string_view>

#include "core/result.hpp"
#include "core/units.hpp"

namespace nova::runtime {

// At most that much from the end, whole lines where there is one. Error not_found: no such file.
Result<std::string> tail_of_log(const std::string& path, Bytes at_most, std::string_view name);

// The end of a text, likewise.
std::string tail_of_text(std::string text, Bytes at_most);

// The folder of a log, for its owner only. Errors: invalid_argument, precondition.
Result<void> make_log_folder(const std::string& log_path);

// Replaces the file, so that a second name of the old one (a failed run's) keeps what it has.
Result<void> write_log(const std::string& path, std::string_view text);

}  // namespace nova::runtime

// Small files that are whole or not there, whatever is killed when.
#pragma once

#include <string>
#include <string_view>

#include "core/result.hpp"

namespace nova::store {

// Written beside, synced, renamed over. The file gets mode 0600. Error precondition.
Result<void> write_file_atomically(const std::string& path, std::string_view content);
// The rename and its record in the folder are on disk when this returns. Error precondition.
Result<void> rename_durably(const std::string& from, const std::string& to);
// Error not_found, or precondition: not readable, or longer than the limit.
Result<std::string> read_small_file(const std::string& path, std::size_t limit);

}  // namespace nova::store

// Where a program lies.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nova::process {

// "a:b::c" taken apart; empty parts, which a shell reads as the current folder, are dropped.
std::vector<std::string> folders_of(std::string_view path);

// The absolute path of the first executable file of that name, in the order of the folders. A name
// with a slash is a path and is only checked.
std::optional<std::string>
find_program(std::string_view name, const std::vector<std::string>& folders);

}  // namespace nova::process

// The search of execvp without its surprises: no current folder, no fallback to a shell.
#include "process/program_search.hpp"

#include <filesystem>
#include <system_error>

#include <sys/stat.h>
#include <unistd.h>

namespace nova::process {
namespace {

bool executable(const std::filesystem::path& path) {
    struct stat facts{};
    return ::stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode) &&
           ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::vector<std::string> folders_of(std::string_view path) {
    std::vector<std::string> folders;
    while (!path.empty()) {
        const std::size_t end = path.find(':');
        if (const auto part = path.substr(0, end); !part.empty()) {
            folders.emplace_back(part);
        }
        path.remove_prefix(end == std::string_view::npos ? path.size() : end + 1);
    }
    return folders;
}

std::optional<std::string>
find_program(std::string_view name, const std::vector<std::string>& folders) {
    std::error_code error;
    if (name.find('/') != std::string_view::npos) {
        const auto path = std::filesystem::absolute(name, error);
        return executable(path) ? std::optional{path.string()} : std::nullopt;
    }
    if (name.empty()) {
        return std::nullopt;
    }
    for (const std::string& folder : folders) {
        const auto path = std::filesystem::absolute(std::filesystem::path{folder} / name, error);
        if (executable(path)) {
            return path.string();
        }
    }
    return std::nullopt;
}

}  // namespace nova::process

// Looks for programs; runs nothing.
#include "app/engine_inventory.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "process/program_search.hpp"

namespace nova::app {

std::vector<std::string> engine_folders(const std::string& cache_home, const std::string& home) {
    const std::string cache = cache_home.empty() ? home + "/.cache" : cache_home;
    std::vector<std::string> folders;
    std::error_code code;
    // One folder per engine and version (decisions.md 2.30); the newest name wins.
    for (const auto& entry : std::filesystem::directory_iterator{cache + "/nova/engines", code}) {
        if (entry.is_directory(code)) {
            folders.push_back(entry.path().string());
        }
    }
    std::ranges::sort(folders, std::greater{});
    return folders;
}

std::vector<recovery::EngineStatus>
engine_inventory(const engine::EngineRegistry& registry, const std::vector<std::string>& folders) {
    std::vector<recovery::EngineStatus> list;
    for (const engine::EngineSpec& spec : registry.all()) {
        recovery::EngineStatus status;
        status.backend = spec.name.value;
        status.title = spec.title;
        const bool proven = spec.installed_by.empty() ||
                            std::ranges::any_of(spec.installed_by, [&](const auto& name) {
                                return process::find_program(name, folders).has_value();
                            });
        for (const std::string& program : proven ? spec.programs : std::vector<std::string>{}) {
            if (const auto found = process::find_program(program, folders)) {
                status.program = *found;
                status.installed = true;
                break;
            }
        }
        // A server somebody else runs needs no program.
        status.can_run = status.installed || spec.programs.empty();
        if (!status.can_run) {
            const std::string& wanted = proven ? spec.programs.front() : spec.installed_by.front();
            status.why_not = fmt::format("There is no {} on this machine.", wanted);
            status.remedy =
                fmt::format("Install {} so that {} is on the PATH.", spec.title, wanted);
        }
        list.push_back(std::move(status));
    }
    return list;
}

}  // namespace nova::app

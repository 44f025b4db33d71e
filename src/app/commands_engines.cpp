// Looking for engines on PATH and in the cache.
#include "app/commands_engines.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include <unistd.h>

#include "process/program_search.hpp"

namespace nova::app {
namespace {

namespace fs = std::filesystem;

// Program names of the engines that run without a GPU; llama.cpp first.
constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kPrograms{
    {{"llamacpp", "llama-server"}, {"ollama", "ollama"}}
};

std::vector<std::string> entries_of(const std::string& folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator it{folder, error}, end; !error && it != end; it.increment(error)) {
        names.push_back(it->path().string());
    }
    std::ranges::sort(names, std::ranges::greater{});
    return names;
}

bool is_script(const fs::path& path) {
    return ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::string engines_cache(const config::Environment& environment) {
    if (auto folder = config::value_of(environment, "NOVA_ENGINES_DIR")) {
        return std::move(*folder);
    }
    if (const auto cache = config::value_of(environment, "XDG_CACHE_HOME")) {
        return *cache + "/nova/engines";
    }
    const auto home = config::value_of(environment, "HOME");
    return home ? *home + "/.cache/nova/engines" : std::string{};
}

std::vector<std::string> cached_engine_folders(const config::Environment& environment) {
    std::vector<std::string> folders;
    for (std::string& folder : entries_of(engines_cache(environment))) {
        const std::string name = fs::path{folder}.filename().string();
        const bool ours = std::ranges::any_of(kPrograms, [&](const auto& row) {
            return name.starts_with(std::string{row.first} + "-") &&
                   process::find_program(row.second, {folder}).has_value();
        });
        if (ours) {
            folders.push_back(std::move(folder));
        }
    }
    return folders;
}

std::string engine_path(const config::Environment& environment) {
    std::string path =
        config::value_of(environment, "PATH").value_or("/usr/local/bin:/usr/bin:/bin");
    const auto known = process::folders_of(path);
    for (const std::string& folder : cached_engine_folders(environment)) {
        if (std::ranges::find(known, folder) == known.end()) {
            path += ":" + folder;
        }
    }
    return path;
}

std::vector<FoundEngine> find_engines(const config::Environment& environment) {
    std::vector<FoundEngine> found;
    const auto take = [&found](const std::string& folder, bool on_path) {
        for (const auto& [engine, program] : kPrograms) {
            const bool known =
                std::ranges::find(found, engine, &FoundEngine::engine) != found.end();
            auto path = process::find_program(program, {folder});
            if (!known && path) {
                found.push_back({std::string{engine}, std::move(*path), on_path});
            }
        }
    };
    for (const std::string& folder :
         process::folders_of(config::value_of(environment, "PATH").value_or(""))) {
        take(folder, true);
    }
    const auto cached = cached_engine_folders(environment);
    for (const bool llamacpp : {true, false}) {
        for (const std::string& folder : cached) {
            if (fs::path{folder}.filename().string().starts_with("llamacpp-") == llamacpp) {
                take(folder, false);
            }
        }
    }
    return found;
}

std::optional<std::string> cached_small_model(const config::Environment& environment) {
    for (std::string& file : entries_of(engines_cache(environment) + "/smollm2-135m")) {
        if (file.ends_with(".gguf")) {
            return std::move(file);
        }
    }
    return std::nullopt;
}

std::optional<std::string> engines_script(const std::string& own_program) {
    const fs::path folder = fs::path{own_program}.parent_path();
    for (const char* place : {"../share/nova/engines.sh", "../../tools/engines.sh"}) {
        const fs::path path = (folder / place).lexically_normal();
        if (is_script(path)) {
            return path.string();
        }
    }
    return std::nullopt;
}

}  // namespace nova::app

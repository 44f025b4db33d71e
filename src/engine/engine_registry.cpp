// Embedded engine data and the override folder.
#include "engine/engine_registry.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "embedded/engine_data.hpp"

namespace nova::engine {
namespace {

Result<EngineSpec> read(std::string_view text, std::string_view file) {
    const auto value = parse_json(text, file);
    if (!value) {
        return propagate(value);
    }
    return engine_spec_from(*value, file);
}

}  // namespace

Result<EngineRegistry> EngineRegistry::load(const std::string& override_folder) {
    EngineRegistry registry;
    for (const auto& file : embedded::engine_data()) {
        auto spec = read(file.text, file.name);
        if (!spec) {
            return propagate(spec);
        }
        registry.put(std::move(*spec));
    }
    std::error_code code;
    std::vector<std::filesystem::path> files;
    if (!override_folder.empty()) {
        for (const auto& entry : std::filesystem::directory_iterator{override_folder, code}) {
            if (entry.path().extension() == ".json") {
                files.push_back(entry.path());
            }
        }
    }
    std::ranges::sort(files);
    for (const auto& path : files) {
        std::ifstream in{path, std::ios::binary};
        std::ostringstream text;
        text << in.rdbuf();
        if (!in) {
            return fail(
                ErrorCode::invalid_argument, fmt::format("{} cannot be read.", path.string())
            );
        }
        auto spec = read(text.str(), path.string());
        if (!spec) {
            return propagate(spec);
        }
        registry.put(std::move(*spec));
    }
    return registry;
}

const EngineSpec* EngineRegistry::find(std::string_view name) const {
    const auto at =
        std::ranges::find_if(engines_, [&](const EngineSpec& e) { return e.name.value == name; });
    return at == engines_.end() ? nullptr : &*at;
}

Result<const EngineSpec*> EngineRegistry::need(const EngineName& name) const {
    const EngineSpec* spec = find(name.value);
    if (spec == nullptr) {
        return fail(
            ErrorCode::not_found, fmt::format("There is no engine {}.", name.value),
            "See the engines nova knows with: nova engines"
        );
    }
    return spec;
}

void EngineRegistry::put(EngineSpec spec) {
    const auto at = std::ranges::lower_bound(engines_, spec.name, {}, &EngineSpec::name);
    if (at != engines_.end() && at->name == spec.name) {
        *at = std::move(spec);
    } else {
        engines_.insert(at, std::move(spec));
    }
}

}  // namespace nova::engine

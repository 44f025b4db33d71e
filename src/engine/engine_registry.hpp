// All engines nova knows: those inside the program, and a folder that may replace or add some.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/engine_spec.hpp"

namespace nova::engine {

class EngineRegistry {
public:
    // override_folder: *.json there win over the embedded ones by name; empty or missing: none.
    // Error: invalid_argument with file and path of the first mistake.
    static Result<EngineRegistry> load(const std::string& override_folder);

    // nullptr when there is no such engine.
    const EngineSpec* find(std::string_view name) const;
    // The same with a sentence. Error: not_found.
    Result<const EngineSpec*> need(const EngineName& name) const;

    // By name.
    const std::vector<EngineSpec>& all() const { return engines_; }

private:
    void put(EngineSpec spec);

    std::vector<EngineSpec> engines_;
};

}  // namespace nova::engine

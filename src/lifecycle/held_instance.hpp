// What the controller knows of our instances: two while a switch runs, else one.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lifecycle/ports.hpp"

namespace nova::lifecycle {

struct HeldInstance {
    std::optional<Result<Plan>> plan;
    std::optional<runtime::InstanceHandle> handle;
    std::vector<std::string> models;  // it lists
    bool models_known = true;
    std::string loading_line;  // the newest that was seen
    std::optional<double> told_share;
    TimePoint next_progress_look{};
    std::optional<Bytes> gpu_free_before;  // its start
};

class HeldInstances {
public:
    HeldInstance& of(Generation generation) { return by_generation_[generation]; }

    HeldInstance* find(Generation generation) {
        const auto at = by_generation_.find(generation);
        return at == by_generation_.end() ? nullptr : &at->second;
    }

    const HeldInstance* find(Generation generation) const {
        const auto at = by_generation_.find(generation);
        return at == by_generation_.end() ? nullptr : &at->second;
    }

    void forget(Generation generation) { by_generation_.erase(generation); }

    // decisions.md 2.22: two at once have two names, which alternate.
    std::string free_name(const std::string& name, Generation generation) const {
        for (const auto& [other, one] : by_generation_) {
            if (other != generation && one.handle && one.handle->name == name) {
                return name + "-2";
            }
        }
        return name;
    }

private:
    std::map<Generation, HeldInstance> by_generation_;
};

}  // namespace nova::lifecycle

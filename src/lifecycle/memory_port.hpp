// Memory as it is at this moment: whether two instances fit, and whether a stopped one gave back
// what it held.
#pragma once

#include <optional>
#include <string>

#include "core/task.hpp"
#include "core/units.hpp"
#include "engine/backend_spec.hpp"
#include "engine/launch.hpp"

namespace nova::lifecycle {

struct MemoryAnswer {
    bool admits = false;
    std::string why;  // a part of a sentence with the figures: "it needs 1.2 GiB at most, …"
};

class MemoryPort {
public:
    virtual ~MemoryPort() = default;

    // Is there room for this one beside all that runs?
    virtual Task<MemoryAnswer> admits(engine::BackendSpec spec, engine::ResolvedModel model) = 0;

    // Free memory of the GPUs; empty where there is none, or it does not say.
    virtual Task<std::optional<Bytes>> gpu_free() { co_return std::nullopt; }
};

}  // namespace nova::lifecycle

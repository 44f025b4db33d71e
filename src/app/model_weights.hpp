// Turns MODEL into something an engine can load, from what lies on this machine.
#pragma once

#include <filesystem>

#include "lifecycle/ports.hpp"

namespace nova::app {

// Paths, Ollama tags, repository ids and names of custom servers; downloads are a later part.
class ModelWeights final : public lifecycle::Weights {
public:
    // relative paths count from base (the data directory: a client sends absolute ones).
    explicit ModelWeights(std::filesystem::path base) : base_{std::move(base)} {}

    Task<Result<engine::ResolvedModel>>
    ensure(engine::BackendSpec spec, runtime::ProgressSink progress) override;

private:
    Result<engine::ResolvedModel> resolve(const engine::BackendSpec& spec) const;

    std::filesystem::path base_;
};

}  // namespace nova::app

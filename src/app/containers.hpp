// Docker as the settings have it: its driver, images that stand for others, and what auto means.
#pragma once

#include <string>
#include <vector>

#include "config/settings.hpp"
#include "core/strong.hpp"
#include "engine/engine_registry.hpp"
#include "recovery/dto.hpp"
#include "runtime/docker_driver.hpp"

namespace nova::app {

// Settings are loaded before it is made, and outlive it, as the registry does.
class Containers {
public:
    Containers(
        asio::any_io_executor executor, Clock& clock, const config::Settings& settings,
        const engine::EngineRegistry& registry, const config::Environment& environment
    );

    runtime::DockerDriver& driver() { return driver_; }

    // Setting docker.images; "" when it says nothing about this engine.
    std::string image_of(const EngineName& engine) const;

    // What the runtime auto means just now (contract.md 3): what is set, else where it runs now, if
    // it does, else docker when its daemon answers and the engine has an image, else process.
    Task<std::string> choose_runtime(EngineName engine, std::string now = {});

    // An engine without a program here can run all the same, where choose_runtime says docker.
    Task<void> complete(std::vector<recovery::EngineStatus>& engines);

private:
    const config::Settings& settings_;
    const engine::EngineRegistry& registry_;
    runtime::DockerDriver driver_;
};

}  // namespace nova::app

// What the preflight has to know of Docker and the machine it runs on.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/json.hpp"
#include "core/task.hpp"
#include "engine/backend_spec.hpp"
#include "engine/engine_registry.hpp"
#include "engine/preflight.hpp"
#include "hardware/host_facts.hpp"

namespace nova::app {

// GET of a path of the Engine API. Error not_found: it says 404; any other: nobody answers.
using DockerGet = std::function<Task<Result<Json>>(std::string path)>;

struct ContainerPlace {
    std::string socket = "/var/run/docker.sock";
    hardware::HostRoots roots{};
    std::vector<std::string> program_folders{};  // where the toolkit's hook would be
};

// Asks the daemon behind a socket, without a version in the path. clock must outlive it.
DockerGet docker_get(Clock& clock, std::string socket);

// image: empty: none is meant. Never fails; what cannot be found out stays empty.
Task<engine::ContainerFacts>
container_facts(DockerGet get, ContainerPlace place, std::string image);

// The lifecycle's preflight: refuses what preflight() refuses, for containers only. registry must
// outlive it.
std::function<Task<Result<void>>(engine::BackendSpec, runtime::InstanceSpec)> make_preflight(
    const engine::EngineRegistry& registry, std::function<hardware::HardwareSnapshot()> hardware,
    DockerGet get, ContainerPlace place
);

}  // namespace nova::app

// A container as GET /containers/{id}/json describes it, read as an instance. Pure.
#pragma once

#include <optional>
#include <string>

#include "core/json.hpp"
#include "runtime/instance_spec.hpp"
#include "runtime/runtime_driver.hpp"

namespace nova::runtime {

// Empty when it carries no labels of nova's, or not all of them.
std::optional<OwnedInstance> owned_container(const Json& container);

// What runs, how it ended, and that it is paused.
InstanceStatus container_status(const Json& container);

// The value of a label; "" when it has none of that name.
std::string container_label(const Json& container, std::string_view name);

// Where it answers: a port published on the host wins; else, or by_name, its name on the network
// that nova is on as well. Port 0: it has none.
Endpoint container_endpoint(const Json& container, bool by_name);

// "nova-llamacpp", without the slash in front.
std::string container_name(const Json& container);

}  // namespace nova::runtime

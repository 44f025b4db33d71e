// A container that somebody started by deploy/compose, read as an instance nova can go on with.
// Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/json.hpp"
#include "runtime/instance_spec.hpp"

namespace nova::runtime {

// Labels of the services in deploy/compose/compose.yaml, besides the slot's.
inline constexpr std::string_view kComposeLabel = "nova.compose";
inline constexpr std::string_view kEngineLabel = "nova.engine";

enum class ByHand : std::uint8_t {
    no,           // nothing of the kind: a stranger's, or nova's own
    ended,        // one of those services, which does not run: it may go
    other_model,  // it runs and serves another model than is wanted
    fits,         // it runs and serves what is wanted
};

// container: of this name, as GET /containers/{id}/json describes it.
ByHand started_by_hand(const Json& container, const InstanceSpec& wanted);

// One of those services that runs, seen by who wanted nothing yet.
struct ServiceByHand {
    std::string engine;
    std::string container;  // "nova-llamacpp"
    std::string id;
    // What its command line names: a file by its path on the host, "" when the engine serves many.
    std::string model;
    Endpoint endpoint;
};

// by_name: as for container_endpoint. Empty: a stranger's, of another slot, or it does not run.
std::optional<ServiceByHand>
service_by_hand(const Json& container, const SlotName& slot, bool by_name);

// The container with the labels it would carry if nova had made it; null when it is none of those
// services.
Json as_ours(Json container, const InstanceIdentity& identity, const std::string& log_path);

// As if nova had started it. by_name: as above.
InstanceHandle handle_by_hand(Json container, const InstanceSpec& wanted, bool by_name);

}  // namespace nova::runtime

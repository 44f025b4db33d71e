// A container that somebody started by deploy/compose, read as an instance nova can go on with.
// Pure.
#pragma once

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

// The container with the labels it would carry if nova had made it; null when it is none of those
// services.
Json as_ours(Json container, const InstanceIdentity& identity, const std::string& log_path);

// As if nova had started it. by_name: nova is on its network and reaches it by its name.
InstanceHandle handle_by_hand(Json container, const InstanceSpec& wanted, bool by_name);

}  // namespace nova::runtime

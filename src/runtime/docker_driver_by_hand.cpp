// The driver's part in services that somebody started by deploy/compose.
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/docker_by_hand.hpp"
#include "runtime/docker_driver.hpp"
#include "runtime/docker_json.hpp"

namespace nova::runtime {

// A service of deploy/compose that somebody started is gone on with; empty when there is none.
Task<Result<std::optional<InstanceHandle>>> DockerDriver::go_on_with(const InstanceSpec& spec) {
    auto one = co_await container(spec.name);
    if (!one) {
        co_return propagate(one);
    }
    switch (started_by_hand(*one, spec)) {
    case ByHand::no:
        break;
    case ByHand::ended:
        if (const auto gone = co_await remove(text_at(*one, "Id"), spec.name); !gone) {
            co_return propagate(gone);
        }
        break;
    case ByHand::other_model:
        co_return fail(Error{
            .code = ErrorCode::conflict,
            .message =
                fmt::format("{} was started by Compose and serves another model.", spec.name),
            .word = "name_taken",
            .remedy = fmt::format("Stop it first: docker stop {}", spec.name),
        });
    case ByHand::fits: {
        const auto place = co_await host();
        if (!place) {
            co_return propagate(place);
        }
        co_return handle_by_hand(*std::move(one), spec, !place->network.empty());
    }
    }
    co_return std::optional<InstanceHandle>{};
}

Task<Result<std::vector<ServiceByHand>>> DockerDriver::services_by_hand(SlotName slot) {
    Filters labels{equals(kComposeLabel, "true"), equals(kSlotLabel, slot.value)};
    const auto found = co_await containers(std::move(labels));
    if (!found) {
        co_return propagate(found);
    }
    std::vector<ServiceByHand> services;
    if (found->empty()) {
        co_return services;
    }
    const auto place = co_await host();
    if (!place) {
        co_return propagate(place);
    }
    for (const Json& one : *found) {
        if (auto service = service_by_hand(one, slot, !place->network.empty())) {
            services.push_back(*std::move(service));
        }
    }
    co_return services;
}

}  // namespace nova::runtime

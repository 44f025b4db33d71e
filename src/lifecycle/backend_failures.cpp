// What the controller knows about a failure beyond the event that told of it.
#include <utility>

#include <fmt/format.h>

#include "lifecycle/backend_controller.hpp"
#include "lifecycle/failed_log.hpp"
#include "lifecycle/failure_reading.hpp"

namespace nova::lifecycle {

// What a remedy may name of a wish.
FailureFacts BackendController::facts_of(Generation generation) const {
    FailureFacts facts{{"engine", ""}};
    const Running* one = instance(generation);
    if (const auto* spec = one == nullptr ? nullptr : spec_of(one->target.spec)) {
        facts["engine"] = spec->engine.value;
        facts["model"] = spec->model.value;
        if (const auto context = spec->options.find("context"); context != spec->options.end()) {
            facts["context"] = context->second;
        }
    }
    const HeldInstance* held = held_.find(generation);
    if (held != nullptr && held->handle && held->handle->endpoint.port != 0) {
        facts["port"] = fmt::to_string(held->handle->endpoint.port);
    }
    return facts;
}

// What the log adds to the reason there is: a cause, or its end.
Task<std::optional<Failure>> BackendController::why_broken(runtime::InstanceHandle handle) {
    const Generation generation = handle.identity.generation;
    const Running* one = instance(generation);
    std::optional<Failure> broken = one == nullptr ? std::nullopt : one->broken;
    const FailureFacts facts = facts_of(generation);
    keep_failed_log(handle.log_path, options_.slot);
    if (broken && !broken->error.failure.empty()) {
        co_return std::nullopt;  // its exit or its answer told it already
    }
    if (handle.runtime == runtime::RuntimeKind::docker) {
        const auto status = co_await ports_.drivers(handle.runtime)->inspect(handle);
        if (status && status->paused) {
            co_return Failure{
                .terminal = false,
                .error =
                    {.code = "container_paused",
                     .detail = fmt::format("Somebody paused the container {}.", handle.name),
                     .remedy = "nova starts it anew. To have it out of the way, stop it: nova stop",
                     .log_excerpt = {}}
            };
        }
    }
    const std::string log = co_await tail_of(handle);
    Failure reading = read_failure({.log = log, .engine = facts.at("engine")}, "", facts);
    if (!reading.error.failure.empty()) {
        co_return reading;
    }
    if (broken && broken->error.log_excerpt.empty()) {
        broken->error.log_excerpt = std::move(reading.error.log_excerpt);
        co_return broken;
    }
    co_return std::nullopt;
}

}  // namespace nova::lifecycle

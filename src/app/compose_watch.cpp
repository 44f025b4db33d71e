// A look at Docker's socket costs a millisecond, and only while nova has nothing to do.
#include "app/compose_watch.hpp"

#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "core/deadline.hpp"

namespace nova::app {
namespace {

constexpr std::chrono::seconds kModelLimit{5};

bool is_here(const std::string& path) {
    std::error_code ignored;
    return std::filesystem::exists(path, ignored);
}

Task<std::string>
first_model(lifecycle::EngineClient& client, Clock& clock, Endpoint server, std::string list) {
    lifecycle::ProbeTarget target;
    target.endpoint = std::move(server);
    target.probe.models_path = std::move(list);
    target.protocol = engine::Protocol::ollama;
    const auto models = co_await client.models(target, Deadline::in(clock, kModelLimit));
    co_return models && !models->ids.empty() ? models->ids.front() : std::string{};
}

}  // namespace

bool ComposeWatch::nothing_wanted() const {
    const lifecycle::BackendStatus status = parts_.backend.status();
    return status.phase == lifecycle::Phase::stopped && !status.wanted && !status.operation;
}

void ComposeWatch::tell(
    const runtime::ServiceByHand& service, std::string why, std::string remedy
) {
    if (told_.insert(service.id + why).second) {
        parts_.log.warn(
            "compose.left_alone", {{"container", service.container},
                                   {"detail", std::move(why)},
                                   {"remedy", std::move(remedy)}}
        );
    }
}

void ComposeWatch::refuse(
    const runtime::ServiceByHand& service, std::string why, std::string remedy
) {
    refused_.insert(service.id);
    tell(service, std::move(why), std::move(remedy));
}

Task<void> ComposeWatch::look_once() {
    if (!parts_.backend.status().operation) {
        offered_.reset();
    }
    if (!nothing_wanted() || !parts_.may_start()) {
        co_return;
    }
    auto services = co_await parts_.look();
    if (!services || services->empty()) {
        co_return;  // no Docker here is the usual case
    }
    if (services->size() > 1) {
        for (const runtime::ServiceByHand& service : *services) {
            tell(
                service, "Several engines were started by Compose; nova serves one.",
                fmt::format("Stop the others, or say which: nova start {}", service.engine)
            );
        }
        co_return;
    }
    co_await go_on_with(std::move(services->front()));
}

Task<void> ComposeWatch::go_on_with(runtime::ServiceByHand service) {
    if (refused_.contains(service.id)) {
        co_return;
    }
    std::string model = service.model;
    if (model.empty()) {
        model = co_await parts_.model_at(service.endpoint);
        if (model.empty()) {
            co_return;  // it starts, or has none yet: looked at again
        }
    } else if (model.starts_with('/') && !is_here(model)) {
        refuse(
            service, fmt::format("It serves {}, which nova cannot see from here.", model),
            fmt::format("nova start {} --model FILE starts one that nova can.", service.engine)
        );
        co_return;
    }
    // Somebody may have wanted something meanwhile, and is not to be overruled.
    if (!nothing_wanted() || !parts_.may_start()) {
        co_return;
    }
    engine::BackendSpec spec;
    spec.engine = EngineName{service.engine};
    spec.runtime = "docker";
    spec.model = ModelId{model};
    parts_.log.info("compose.found", {{"container", service.container}, {"model", model}});
    offered_ = service.endpoint;
    const auto wished = co_await parts_.backend.set_desired({.spec = spec, .actor = "compose"});
    if (!wished && policy(wished.error().code).retry) {
        co_return;  // the store is away: the next look tries again
    }
    if (!wished) {
        refuse(service, wished.error().message, wished.error().remedy);
    }
}

std::optional<Endpoint> ComposeWatch::offered() const {
    return parts_.backend.status().operation ? offered_ : std::nullopt;
}

Task<void> ComposeWatch::run() {
    for (;;) {
        co_await look_once();
        co_await parts_.clock.sleep_for(parts_.interval);
    }
}

std::function<Task<std::string>(Endpoint)>
make_ollama_look(lifecycle::EngineClient& client, Clock& clock) {
    return [&client, &clock](Endpoint server) -> Task<std::string> {
        std::string model = co_await first_model(client, clock, server, "/api/ps");
        if (model.empty()) {
            model = co_await first_model(client, clock, std::move(server), "/api/tags");
        }
        co_return model;
    };
}

}  // namespace nova::app

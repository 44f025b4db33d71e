// The model of such a container is only known by its command line.
#include "runtime/docker_by_hand.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/docker_create.hpp"
#include "runtime/docker_inspect.hpp"
#include "runtime/docker_json.hpp"

namespace nova::runtime {
namespace {

constexpr std::string_view kNamePrefix = "nova-";

std::string_view last_part(std::string_view path) {
    return path.substr(path.rfind('/') + 1);
}

// What follows the flags by which engines are told their model; none for one that serves many.
std::vector<std::string> models_in(const std::vector<std::string>& argv) {
    constexpr std::array<std::string_view, 4> kFlags{
        "--model", "--model-path", "--served-model-name", "--alias"
    };
    std::vector<std::string> models;
    for (std::size_t i = 0; i + 1 < argv.size(); ++i) {
        if (std::ranges::find(kFlags, argv[i]) != kFlags.end()) {
            models.push_back(argv[i + 1]);
        }
    }
    return models;
}

std::vector<std::string> command_of(const Json& container) {
    std::vector<std::string> words;
    const Json& command = member(member(container, "Config"), "Cmd");
    if (command.is_array()) {
        for (const Json& word : command) {
            words.push_back(word.is_string() ? word.get<std::string>() : std::string{});
        }
    }
    return words;
}

// A file by its name alone: the folders are mounted at other places.
bool same_model(const std::string& a, const std::string& b) {
    return a == b || (a.ends_with(".gguf") && last_part(a) == last_part(b));
}

}  // namespace

ByHand started_by_hand(const Json& container, const InstanceSpec& wanted) {
    const std::string engine = container_label(container, kEngineLabel);
    if (container_label(container, kComposeLabel) != "true" ||
        container_label(container, kSlotLabel) != wanted.identity.slot.value ||
        wanted.name != fmt::format("{}{}", kNamePrefix, engine)) {
        return ByHand::no;
    }
    if (container_status(container).state != InstanceStatus::State::running) {
        return ByHand::ended;
    }
    const auto served = models_in(command_of(container));
    const auto models = models_in(wanted.argv);
    const bool fits = models.empty() || std::ranges::any_of(models, [&](const std::string& model) {
                          return std::ranges::any_of(served, [&](const std::string& other) {
                              return same_model(model, other);
                          });
                      });
    return fits ? ByHand::fits : ByHand::other_model;
}

namespace {

// A path in the container, as it is called outside; itself where nothing of the host is mounted.
std::string on_the_host(const Json& container, const std::string& path) {
    const Json& mounts = member(container, "Mounts");
    if (!path.starts_with('/') || !mounts.is_array()) {
        return path;
    }
    for (const Json& mount : mounts) {
        const std::string inside = text_at(mount, "Destination") + "/";
        if (text_at(mount, "Type") == "bind" && path.starts_with(inside)) {
            return text_at(mount, "Source") + "/" + path.substr(inside.size());
        }
    }
    return path;
}

}  // namespace

std::optional<ServiceByHand>
service_by_hand(const Json& container, const SlotName& slot, bool by_name) {
    const std::string engine = container_label(container, kEngineLabel);
    const std::string name = container_name(container);
    if (container_label(container, kComposeLabel) != "true" ||
        container_label(container, kSlotLabel) != slot.value ||
        name != fmt::format("{}{}", kNamePrefix, engine) ||
        container_status(container).state != InstanceStatus::State::running) {
        return std::nullopt;
    }
    ServiceByHand service;
    service.engine = engine;
    service.container = name;
    service.id = text_at(container, "Id");
    const auto models = models_in(command_of(container));
    service.model = models.empty() ? "" : on_the_host(container, models.front());
    service.endpoint = container_endpoint(container, by_name);
    return service;
}

Json as_ours(Json container, const InstanceIdentity& identity, const std::string& log_path) {
    if (container_label(container, kComposeLabel) != "true") {
        return {};
    }
    Json& labels = container["Config"]["Labels"];
    labels[std::string{kInstallLabel}] = identity.install.value;
    labels[std::string{kGenerationLabel}] = fmt::to_string(identity.generation.value);
    labels[std::string{kSpecLabel}] = identity.spec.value;
    labels[std::string{kLogLabel}] = log_path;
    return container;
}

InstanceHandle handle_by_hand(Json container, const InstanceSpec& wanted, bool by_name) {
    auto owned = owned_container(as_ours(std::move(container), wanted.identity, wanted.log_path));
    InstanceHandle handle = owned ? std::move(owned->handle) : InstanceHandle{};
    handle.stop_signal = wanted.stop_signal;
    handle.grace = wanted.grace;
    if (by_name) {
        handle.endpoint = {.host = wanted.name, .port = wanted.container.port, .tls = false};
    }
    return handle;
}

}  // namespace nova::runtime

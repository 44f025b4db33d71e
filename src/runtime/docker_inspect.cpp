// Every field may be missing: Podman and newer daemons leave some out.
#include "runtime/docker_inspect.hpp"

#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/docker_create.hpp"
#include "runtime/docker_json.hpp"

namespace nova::runtime {
namespace {

constexpr int kKilled = 137;  // 128 + SIGKILL
constexpr int kMostSignal = 64;

template <class Number>
std::optional<Number> number_in(std::string_view digits) {
    Number value{};
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return code == std::errc{} && end == digits.data() + digits.size() ? std::optional{value}
                                                                       : std::nullopt;
}

int signal_from(const std::string& word) {
    if (word == "SIGINT") {
        return 2;
    }
    if (word == "SIGQUIT") {
        return 3;
    }
    const auto number = number_in<int>(word);
    return number && *number > 0 && *number <= kMostSignal ? *number : 15;
}

ExitStatus exit_of(const Json& state) {
    ExitStatus exit;
    const std::string word = text_at(state, "Status");
    exit.removed = word == "removing" || word == "dead";
    const Json& code = member(state, "ExitCode");
    if (!code.is_number_integer()) {
        return exit;
    }
    const int number = code.get<int>();
    // OOMKilled alone may be about a worker the engine survived.
    exit.out_of_memory = is_true(state, "OOMKilled") && number == kKilled;
    if (number > 128 && number <= 128 + kMostSignal) {
        exit.signal = number - 128;
    } else {
        exit.code = number;
    }
    return exit;
}

}  // namespace

std::string container_name(const Json& container) {
    std::string name = text_at(container, "Name");
    return name.starts_with('/') ? name.substr(1) : name;
}

std::string container_label(const Json& container, std::string_view name) {
    return text_at(member(member(container, "Config"), "Labels"), name);
}

Endpoint container_endpoint(const Json& container, bool by_name) {
    Endpoint endpoint{.host = "127.0.0.1", .port = 0, .tls = false};
    const Json& ports = member(member(container, "NetworkSettings"), "Ports");
    if (!ports.is_object()) {
        return endpoint;
    }
    for (const auto& [inside, bindings] : ports.items()) {
        const bool published = !by_name && bindings.is_array() && !bindings.empty();
        const std::string outside = published ? text_at(bindings.front(), "HostPort") : "";
        if (const auto port = number_in<std::uint16_t>(outside)) {
            endpoint.port = *port;
            return endpoint;
        }
    }
    for (const auto& [inside, bindings] : ports.items()) {
        const std::string_view number = std::string_view{inside}.substr(0, inside.find('/'));
        if (const auto port = number_in<std::uint16_t>(number)) {
            return {.host = container_name(container), .port = *port, .tls = false};
        }
    }
    return endpoint;
}

InstanceStatus container_status(const Json& container) {
    const Json& state = member(container, "State");
    InstanceStatus status;
    status.paused = is_true(state, "Paused");
    if (is_true(state, "Running") || status.paused) {
        status.state = InstanceStatus::State::running;
        return status;
    }
    // Created and never started: nothing ended.
    if (text_at(state, "Status") != "created") {
        status.exit = exit_of(state);
    }
    return status;
}

std::optional<OwnedInstance> owned_container(const Json& container) {
    const auto identity = parse_marker(fmt::format(
        "{}/{}/{}/{}", container_label(container, kInstallLabel),
        container_label(container, kSlotLabel), container_label(container, kGenerationLabel),
        container_label(container, kSpecLabel)
    ));
    if (!identity) {
        return std::nullopt;
    }
    OwnedInstance owned;
    owned.handle.runtime = RuntimeKind::docker;
    owned.handle.identity = *identity;
    owned.handle.name = container_name(container);
    owned.handle.endpoint = container_endpoint(container, false);
    owned.handle.log_path = container_label(container, kLogLabel);
    owned.handle.container_id = text_at(container, "Id");
    const Json& config = member(container, "Config");
    owned.handle.stop_signal = signal_from(text_at(config, "StopSignal"));
    if (const Json& grace = member(config, "StopTimeout"); grace.is_number_integer()) {
        owned.handle.grace = std::chrono::seconds{grace.get<std::int64_t>()};
    }
    owned.status = container_status(container);
    return owned;
}

}  // namespace nova::runtime

// Everything is said outright: a daemon's own defaults (restart policy, log size, health checks of
// an image) are other people's settings.
#include "runtime/docker_create.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace nova::runtime {
namespace {

constexpr std::string_view kPortHole = "{port}";

std::string with_port(std::string text, std::string_view port) {
    for (std::size_t at = text.find(kPortHole); at != std::string::npos;
         at = text.find(kPortHole, at + port.size())) {
        text.replace(at, kPortHole.size(), port);
    }
    return text;
}

// A number is understood by every daemon, a name by people who read `docker inspect`.
std::string signal_name(int number) {
    switch (number) {
    case 2:
        return "SIGINT";
    case 3:
        return "SIGQUIT";
    case 15:
        return "SIGTERM";
    default:
        return fmt::to_string(number);
    }
}

// The named driver is asked for outright: that way a daemon without it says so, instead of giving
// a container no GPU. compute and utility are what CUDA and nvidia-smi need.
Json nvidia_request(const InstanceSpec& spec, const ContainerHost& host) {
    if (host.cdi) {
        Json names = Json::array();
        for (const std::string& gpu : spec.container.gpus) {
            names.push_back("nvidia.com/gpu=" + gpu);
        }
        if (names.empty()) {
            names.push_back("nvidia.com/gpu=all");
        }
        return {{"Driver", "cdi"}, {"DeviceIDs", std::move(names)}};
    }
    const Json all_of = Json::array({"gpu", "compute", "utility"});
    Json request{{"Driver", "nvidia"}, {"Capabilities", Json::array({all_of})}};
    // Count and DeviceIDs exclude each other.
    if (spec.container.gpus.empty()) {
        request["Count"] = -1;
    } else {
        request["DeviceIDs"] = spec.container.gpus;
    }
    return request;
}

// AMD's instructions for ROCm containers: the device nodes, their groups by number (names are
// looked up in the image), and no seccomp filter, which stands in the way of its memory mappings.
void give_rocm(Json& config, const ContainerHost& host) {
    Json devices = Json::array();
    for (const std::string& device : host.rocm_devices) {
        devices.push_back(
            {{"PathOnHost", device}, {"PathInContainer", device}, {"CgroupPermissions", "rwm"}}
        );
    }
    Json groups = Json::array();
    for (const std::uint32_t group : host.rocm_groups) {
        groups.push_back(fmt::to_string(group));
    }
    config["Devices"] = std::move(devices);
    config["GroupAdd"] = std::move(groups);
    config["SecurityOpt"] = Json::array({"seccomp=unconfined"});
}

Json mounts_of(const InstanceSpec& spec, const ContainerHost& host) {
    Json mounts = Json::array();
    for (const Mount& mount : spec.mounts) {
        // Mounts rather than Binds: a path may hold a colon, and a folder that is not there is an
        // error instead of an empty folder that belongs to root.
        const bool volume = !mount.host_path.contains('/');
        mounts.push_back({
            {"Type", volume ? "volume" : "bind"},
            {"Source", volume ? mount.host_path : host_path(mount.host_path, host)},
            {"Target", mount.container_path},
            {"ReadOnly", mount.read_only},
        });
    }
    return mounts;
}

Json host_config(const InstanceSpec& spec, const ContainerHost& host, const std::string& port) {
    Json config{
        {"RestartPolicy", {{"Name", "no"}}},
        {"LogConfig", {{"Type", "json-file"}, {"Config", {{"max-size", "10m"}, {"max-file", "2"}}}}
        },
        {"Mounts", mounts_of(spec, host)},
    };
    if (host.network.empty()) {
        const std::string outside = spec.listen.port == 0 ? "" : fmt::to_string(spec.listen.port);
        const Json binding{{"HostIp", "127.0.0.1"}, {"HostPort", outside}};
        config["PortBindings"] = {{port, Json::array({binding})}};
    } else {
        config["NetworkMode"] = host.network;
    }
    if (spec.container.shared_memory.count > 0) {
        config["ShmSize"] = spec.container.shared_memory.count;
    }
    if (spec.container.host_ipc) {
        config["IpcMode"] = "host";
    }
    if (spec.container.locked_memory) {
        const Json limit{{"Name", "memlock"}, {"Soft", -1}, {"Hard", -1}};
        config["Ulimits"] = Json::array({limit});
    }
    if (spec.accelerator == "cuda") {
        config["DeviceRequests"] = Json::array({nvidia_request(spec, host)});
    }
    if (spec.accelerator == "rocm") {
        give_rocm(config, host);
    }
    return config;
}

}  // namespace

std::string host_path(const std::string& path, const ContainerHost& host) {
    const std::pair<const std::string, std::string>* best = nullptr;
    for (const auto& folder : host.paths) {
        const std::string& inside = folder.first;
        const bool under = path == inside || path.starts_with(inside + "/");
        if (under && (best == nullptr || inside.size() > best->first.size())) {
            best = &folder;
        }
    }
    return best == nullptr ? path : best->second + path.substr(best->first.size());
}

Json docker_create_request(const InstanceSpec& spec, const ContainerHost& host) {
    const std::string number = fmt::to_string(spec.container.port);
    const std::string port = number + "/tcp";
    Json argv = Json::array();
    for (const std::string& word : spec.argv) {
        argv.push_back(with_port(word, number));
    }
    // Not NOVA_INSTANCE: the process driver looks for that in every process of the machine, those
    // of containers included, and would take the engine for a stray of its own.
    Json env = Json::array();
    for (const auto& [name, value] : spec.env) {
        env.push_back(fmt::format("{}={}", name, with_port(value, number)));
    }
    Json request{
        {"Image", spec.image},
        {"Cmd", std::move(argv)},
        {"Env", std::move(env)},
        {"Labels",
         {{kInstallLabel, spec.identity.install.value},
          {kSlotLabel, spec.identity.slot.value},
          {kGenerationLabel, fmt::to_string(spec.identity.generation.value)},
          {kSpecLabel, spec.identity.spec.value},
          {kLogLabel, spec.log_path}}},
        {"ExposedPorts", {{port, Json::object()}}},
        // nova looks by itself, and knows a model that loads from one that hangs.
        {"Healthcheck", {{"Test", Json::array({"NONE"})}}},
        {"StopSignal", signal_name(spec.stop_signal)},
        {"StopTimeout", spec.grace.count()},
        {"HostConfig", host_config(spec, host, port)},
    };
    if (!host.network.empty()) {
        request["NetworkingConfig"] = {
            {"EndpointsConfig", {{host.network, {{"Aliases", Json::array({spec.name})}}}}}
        };
    }
    return request;
}

}  // namespace nova::runtime

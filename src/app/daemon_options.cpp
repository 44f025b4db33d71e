// Values only; nothing here opens anything.
#include "app/daemon_options.hpp"

#include <utility>

#include "app/engine_inventory.hpp"
#include "net/admission.hpp"
#include "process/program_search.hpp"
#include "runtime/docker_socket.hpp"

namespace nova::app {

net::Admission admission_for(const Endpoint& listen, const config::BootConfig& boot) {
    net::AdmissionRules rules{
        .listen = listen,
        .hosts = boot.allowed_hosts.value,
        .origins = boot.allowed_origins.value,
    };
    return [rules = std::move(rules)](const net::RequestHead& head, const net::Peer& /*peer*/) {
        return net::admit(rules, head);
    };
}

runtime::ProcessDriverOptions
driver_options(const store::DataDirectory& directory, const config::Environment& environment) {
    const auto value = [&](std::string_view name) {
        return config::value_of(environment, name).value_or("");
    };
    return {
        .records_folder = directory.file("instances"),
        .program_folders = engine_folders(value("XDG_CACHE_HOME"), value("HOME")),
        .path = value("PATH"),
        .home = value("HOME"),
        .lang = value("LANG"),
    };
}

std::vector<std::string> program_folders(const runtime::ProcessDriverOptions& options) {
    auto folders = options.program_folders;
    const auto path = process::folders_of(options.path);
    folders.insert(folders.end(), path.begin(), path.end());
    return folders;
}

ContainerPlace
container_place(const std::string& docker_host, const config::Environment& environment) {
    const std::string path = config::value_of(environment, "PATH").value_or("/usr/bin:/bin");
    ContainerPlace place{
        .socket = runtime::docker_socket(
            docker_host, config::value_of(environment, "XDG_RUNTIME_DIR").value_or("")
        ),
        .program_folders = process::folders_of(path),
    };
    // What the daemon's own PATH has, which need not be that of nova.
    place.program_folders.emplace_back("/usr/bin");
    return place;
}

}  // namespace nova::app

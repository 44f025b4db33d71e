// Reference 7.1 and 7.7 have the paths.
#include "runtime/docker_socket.hpp"

#include <array>
#include <filesystem>
#include <fstream>

namespace nova::runtime {

std::string docker_socket(std::string_view said, std::string_view runtime_folder) {
    constexpr std::string_view kUnix = "unix://";
    if (said.starts_with(kUnix)) {
        return std::string{said.substr(kUnix.size())};
    }
    if (!said.empty()) {
        return std::string{said};
    }
    const std::string own{runtime_folder};
    const std::array<std::string, 4> usual{
        "/var/run/docker.sock", own + "/docker.sock", own + "/podman/podman.sock",
        "/run/podman/podman.sock"
    };
    for (const std::string& path : usual) {
        std::error_code error;
        if ((!own.empty() || !path.starts_with("/podman")) &&
            std::filesystem::is_socket(path, error)) {
            return path;
        }
    }
    return usual.front();
}

// Docker names a container's host after it, unless somebody gave it another name: then nova is not
// found by it and engines are reached by ports of the host, as without a container.
std::string own_container(const std::string& root) {
    std::error_code error;
    if (!std::filesystem::exists(root + "/.dockerenv", error) &&
        !std::filesystem::exists(root + "/run/.containerenv", error)) {
        return {};
    }
    std::ifstream file{root + "/etc/hostname"};
    std::string name;
    std::getline(file, name);
    return name;
}

}  // namespace nova::runtime

// The body of POST /containers/create for an instance: pure, so that it can be read in a test.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"
#include "runtime/instance_spec.hpp"

namespace nova::runtime {

// decisions.md 2.3. The driver finds its containers by these and by nothing else.
inline constexpr std::string_view kInstallLabel = "nova.install";
inline constexpr std::string_view kSlotLabel = "nova.slot";
inline constexpr std::string_view kGenerationLabel = "nova.generation";
inline constexpr std::string_view kSpecLabel = "nova.spec";
// Where the log of this run is kept once the container is gone, and the image as it was pulled.
inline constexpr std::string_view kLogLabel = "nova.log";
inline constexpr std::string_view kDigestLabel = "nova.digest";

// What the daemon's machine has, and how a container is given it.
struct ContainerHost {
    // NVIDIA devices by their CDI names; false: by the daemon's own nvidia driver.
    bool cdi = false;
    std::vector<std::string> rocm_devices{};     // of /dev/kfd and /dev/dri, those that exist
    std::vector<std::uint32_t> rocm_groups{};    // who may open them, by number
    std::string network{};                       // containers join it; empty: 127.0.0.1 is enough
    std::map<std::string, std::string> paths{};  // nova's folders -> the host's, longest match wins
};

// Never fails: what the daemon cannot give it says itself, better than nova could guess.
Json docker_create_request(const InstanceSpec& spec, const ContainerHost& host);

// The path as the daemon's machine has it: nova may run in a container itself.
std::string host_path(const std::string& path, const ContainerHost& host);

}  // namespace nova::runtime

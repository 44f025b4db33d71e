// A daemon's own words stand behind the sentence: they are what a search engine knows.
#include "runtime/docker_error.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <ranges>
#include <string>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace nova::runtime {
namespace {

constexpr std::size_t kMostWords = 400;

struct Signature {
    std::string_view fragments;  // lower case; one of them, with | between
    ErrorCode code;
    std::string_view word;
    std::string_view sentence;
    std::string_view remedy;
};

constexpr std::string_view kToolkit =
    "Install nvidia-container-toolkit, then: sudo nvidia-ctk runtime configure --runtime=docker && "
    "sudo systemctl restart docker";
constexpr std::string_view kRoom =
    "See what takes the room with: docker system df; docker image prune frees images nobody uses.";
constexpr std::string_view kNetwork =
    "Check the network and the registry. Layers that arrived whole are kept for the next try.";
constexpr std::string_view kImageName =
    "Check the image's name and tag; nova config set docker.images ENGINE=IMAGE names another.";

// The first row wins. Words of moby 20.10 to 28 and Podman 4.3 (reference 6.5, 7; the errors
// provoked by tests/docker).
constexpr auto kSignatures = std::to_array<Signature>({
    {"no space left on device", ErrorCode::exhausted, "disk_full",
     "the disk where Docker keeps its images is full", kRoom},
    {"could not select device driver", ErrorCode::precondition, "gpu_runtime_missing",
     "Docker cannot give a container an NVIDIA GPU", kToolkit},
    {"unknown or invalid runtime name: nvidia", ErrorCode::precondition, "gpu_runtime_missing",
     "Docker does not know the runtime nvidia", kToolkit},
    {"unresolvable cdi devices", ErrorCode::precondition, "gpu_runtime_missing",
     "Docker knows no GPU of that CDI name",
     "Describe the devices anew with: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"},
    {"nvidia-container-cli", ErrorCode::precondition, "gpu_runtime_failed",
     "the NVIDIA Container Toolkit could not prepare the GPU",
     "See whether nvidia-smi works on the host; after an update of the driver, restart the "
     "machine."},
    {"error gathering device information while adding custom device", ErrorCode::precondition,
     "device_missing", "a device the engine needs is not on Docker's machine",
     "See whether its driver is loaded; AMD's makes /dev/kfd and /dev/dri."},
    {"port is already allocated|address already in use", ErrorCode::precondition, "port_in_use",
     "its port on 127.0.0.1 is taken", "End what listens there, or let nova choose a port."},
    {"is already in use", ErrorCode::conflict, "name_taken",
     "a container of that name is there already", "Rename or remove it, if it is yours."},
    {"bind source path does not exist", ErrorCode::precondition, "folder_missing",
     "a folder the engine is to see is not on Docker's machine",
     "A Docker in a virtual machine sees only the folders it shares."},
    {"no matching manifest for|exec format error", ErrorCode::unsupported, "image_wrong_platform",
     "the image is not made for this kind of processor", kImageName},
    {"executable file not found", ErrorCode::unsupported, "image_without_program",
     "the image does not hold the program that is to be started", kImageName},
    {"toomanyrequests", ErrorCode::rate_limited, "pull_limit",
     "the registry limits how much may be pulled", "Wait, or sign in with: docker login"},
    {"manifest unknown|manifest for", ErrorCode::not_found, "image_not_found",
     "the registry has no such image", kImageName},
    {"pull access denied", ErrorCode::not_found, "image_not_found",
     "there is no such image, or it is only for those who sign in", kImageName},
    {"repository does not exist|name unknown", ErrorCode::not_found, "image_not_found",
     "the registry has no such image", kImageName},
    {"no such image", ErrorCode::runtime_failed, "image_gone",
     "somebody removed the image after it was prepared", "nova pulls it again with the next try."},
    {"invalid reference format", ErrorCode::unprocessable, "image_not_found",
     "that is no name of an image", kImageName},
    {"no basic auth credentials|unauthorized", ErrorCode::unauthorized, "image_refused",
     "the registry wants to know who asks", "Sign in with: docker login REGISTRY"},
    {"denied", ErrorCode::forbidden, "image_refused", "the registry refuses the image",
     "Sign in with: docker login REGISTRY"},
    {"connection refused|no such host|server misbehaving|network is unreachable",
     ErrorCode::upstream_failed, "registry_unreachable", "the registry cannot be reached",
     kNetwork},
    {"connection reset", ErrorCode::upstream_failed, "registry_unreachable",
     "the registry broke off", kNetwork},
    {"i/o timeout|request canceled", ErrorCode::upstream_failed, "registry_unreachable",
     "the registry does not answer", kNetwork},
    {"eof", ErrorCode::upstream_failed, "registry_unreachable", "the registry broke off", kNetwork},
    {"filesystem layer verification failed", ErrorCode::upstream_failed, "image_damaged",
     "a layer arrived damaged", kNetwork},
    {"client version", ErrorCode::unsupported, "docker_version",
     "this Docker does not speak nova's version of its protocol",
     "Update Docker; nova needs API 1.41 (Docker 20.10) or newer."},
});

std::string lowered(std::string_view text) {
    std::string low{text};
    std::ranges::transform(low, low.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return low;
}

bool holds_one(std::string_view low, std::string_view fragments) {
    return std::ranges::any_of(std::views::split(fragments, '|'), [low](const auto& fragment) {
        return low.contains(std::string_view{fragment});
    });
}

ErrorCode code_of(int status) {
    switch (status) {
    case 404:
        return ErrorCode::not_found;
    case 409:
        return ErrorCode::conflict;
    default:
        return ErrorCode::runtime_failed;
    }
}

std::string quoted(std::string_view message) {
    std::string words{message.substr(0, kMostWords)};
    std::ranges::replace_if(
        words, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' '
    );
    while (words.ends_with(' ') || words.ends_with('.')) {
        words.pop_back();
    }
    return words;
}

}  // namespace

Error docker_error(int status, std::string_view message, std::string_view doing) {
    const std::string low = lowered(message);
    const auto known = std::ranges::find_if(kSignatures, [&low](const Signature& signature) {
        return holds_one(low, signature.fragments);
    });
    const std::string words = quoted(message);
    if (known == kSignatures.end()) {
        return {
            .code = code_of(status),
            .message = words.empty() ? fmt::format("{} failed: Docker answers {}.", doing, status)
                                     : fmt::format("{} failed. Docker says: {}.", doing, words),
        };
    }
    return {
        .code = known->code,
        .message = fmt::format("{} failed: {}. Docker says: {}.", doing, known->sentence, words),
        .word = std::string{known->word},
        .remedy = std::string{known->remedy},
    };
}

Error docker_unavailable(std::string_view socket, const Error& why) {
    const std::string path{socket};
    struct stat facts{};
    Error error{
        .code = ErrorCode::unavailable,
        .message = fmt::format("Docker is not running: nobody answers at {}.", path),
        .word = "docker_unavailable",
        .remedy = "Start it with: sudo systemctl start docker"
    };
    if (path.contains("://")) {
        error.code = ErrorCode::unsupported;
        error.message = fmt::format("nova does not speak to a Docker at {}.", path);
        error.remedy = "It uses a unix socket: nova config set docker.host "
                       "unix:///var/run/docker.sock";
    } else if (::stat(path.c_str(), &facts) != 0) {
        error.message = fmt::format("There is no Docker at {}.", path);
        error.remedy = "Start or install it; nova config set docker.host names another socket, and "
                       "--runtime process does without.";
    } else if (::access(path.c_str(), R_OK | W_OK) != 0) {
        error.code = ErrorCode::precondition;
        error.message = fmt::format("This user may not use Docker's socket {}.", path);
        error.remedy =
            "Add the user to the group docker and sign in again: sudo usermod -aG docker "
            "USER. Who may use that socket is as good as root.";
    } else if (why.code == ErrorCode::timeout) {
        error.code = ErrorCode::timeout;
        error.message = fmt::format("Docker at {} does not answer in time.", path);
        error.remedy = "See whether docker info answers; if not, restart Docker.";
    }
    return error;
}

}  // namespace nova::runtime

// Each check by itself: one that cannot be made says nothing, rather than something wrong.
#include "engine/preflight.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

namespace nova::engine {
namespace {

// Layers are unpacked beside what was fetched of them.
constexpr Bytes kImageReserve = gib(2);

std::string gib_text(Bytes bytes) {
    return fmt::format("{:.1f} GiB", static_cast<double>(bytes.count) / (1024.0 * 1024.0 * 1024.0));
}

// Of the engine's own image; what another one needs nobody knows.
AcceleratorNeeds needs_of(const EngineSpec& engine, const runtime::InstanceSpec& instance) {
    const auto image = engine.images.find(instance.accelerator);
    const auto at = engine.needs.find(instance.accelerator);
    const bool own = image != engine.images.end() && image->second == instance.image;
    return own && at != engine.needs.end() ? at->second : AcceleratorNeeds{};
}

std::string docker_word(const ContainerFacts& facts) {
    return facts.podman ? "Podman" : "Docker";
}

Check check_image(const runtime::InstanceSpec& instance, const ContainerFacts& facts) {
    if (!facts.image_here) {
        return {
            "image", CheckVerdict::warn,
            fmt::format("Whether {} is here is not known.", instance.image)
        };
    }
    return *facts.image_here
               ? Check{"image", CheckVerdict::ok, fmt::format("{} is here.", instance.image)}
               : Check{
                     "image", CheckVerdict::ok, fmt::format("{} will be pulled.", instance.image)
                 };
}

Check check_image_disk(const runtime::InstanceSpec& instance, const ContainerFacts& facts) {
    const Bytes size = instance.container.image_size;
    if (facts.image_here.value_or(false) || size.count == 0 || !facts.images_free) {
        return {"image disk", CheckVerdict::ok, "Nothing to be checked."};
    }
    const Bytes wanted = size + kImageReserve;
    const std::string detail = fmt::format(
        "{} has {} free; {} takes about {} unpacked.", facts.images_folder,
        gib_text(*facts.images_free), instance.image, gib_text(size)
    );
    if (*facts.images_free >= wanted) {
        return {"image disk", CheckVerdict::ok, detail};
    }
    return {
        "image disk", CheckVerdict::fail, detail,
        "Free some space (docker image prune -a removes images nobody uses), or move Docker's "
        "data-root to a larger disk."
    };
}

std::optional<unsigned> driver_number(const hardware::HardwareSnapshot& hardware) {
    std::optional<unsigned> oldest;
    for (const auto& gpu : hardware.gpus) {
        unsigned number = 0;
        const std::string& text = gpu.driver;
        const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (gpu.vendor == hardware::GpuVendor::nvidia && code == std::errc{}) {
            oldest = oldest ? std::min(*oldest, number) : number;
        }
    }
    return oldest;
}

Check check_driver(
    const EngineSpec& engine, const AcceleratorNeeds& needs,
    const hardware::HardwareSnapshot& hardware
) {
    const auto driver = driver_number(hardware);
    if (needs.driver == 0 || !driver) {
        return {"gpu driver", CheckVerdict::ok, "Nothing to be checked."};
    }
    if (*driver >= needs.driver) {
        return {
            "gpu driver", CheckVerdict::ok,
            fmt::format("{} is new enough for CUDA {}.", *driver, needs.cuda)
        };
    }
    return {
        "gpu driver", CheckVerdict::fail,
        fmt::format(
            "{}'s image is built for CUDA {} and needs the NVIDIA driver {} or newer; this is {}.",
            engine.title, needs.cuda, needs.driver, *driver
        ),
        fmt::format(
            "Install driver {} or newer and reboot, or choose llama.cpp, which runs on older ones.",
            needs.driver
        )
    };
}

Check check_port(const runtime::InstanceSpec& instance, const ContainerFacts& facts) {
    if (instance.listen.port == 0 || facts.port_free.value_or(true)) {
        return {"port", CheckVerdict::ok, "Nothing to be checked."};
    }
    return {
        "port", CheckVerdict::fail,
        fmt::format("Port {} on 127.0.0.1 is taken.", instance.listen.port),
        fmt::format(
            "End what listens there (ss -ltnp 'sport = :{}' names it).", instance.listen.port
        )
    };
}

}  // namespace

Check check_docker(const ContainerFacts& facts) {
    if (facts.daemon) {
        return {
            "docker", CheckVerdict::ok,
            fmt::format("{} {} answers at {}.", docker_word(facts), facts.version, facts.socket)
        };
    }
    const bool refused = facts.why_not.contains("ermission denied");
    return {
        "docker", CheckVerdict::fail,
        refused ? fmt::format("This user may not use {}.", facts.socket)
                : fmt::format("Nobody answers at {}: {}", facts.socket, facts.why_not),
        refused
            ? "Add the user to the group docker (sudo usermod -aG docker $USER), then sign in anew."
            : "Install Docker, or start it with: sudo systemctl start docker. Without it engines "
              "run as native programs."
    };
}

Check check_gpu_runtime(
    const std::string& accelerator, const hardware::HardwareSnapshot& hardware,
    const ContainerFacts& facts
) {
    const std::string name = "gpu runtime";
    if (accelerator == "rocm") {
        return facts.kfd
                   ? Check{name, CheckVerdict::ok, "/dev/kfd is there."}
                   : Check{
                         name, CheckVerdict::fail, "/dev/kfd is not there: ROCm cannot compute.",
                         "Load the driver with: sudo modprobe amdgpu"
                     };
    }
    if (accelerator != "cuda") {
        return {name, CheckVerdict::ok, "No GPU is used."};
    }
    if (facts.nvidia_cdi) {
        return {name, CheckVerdict::ok, "Docker knows NVIDIA's devices by CDI."};
    }
    // Podman's compatible socket passes over every other request in silence (its GPU would be
    // none).
    if (facts.podman) {
        return {
            name, CheckVerdict::fail, "Podman gives containers a GPU by CDI only, and knows none.",
            "Run: sudo nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
        };
    }
    if (facts.nvidia_runtime || facts.nvidia_hook.value_or(false) ||
        hardware.docker_gpu_runtime == hardware::DockerGpuRuntime::nvidia) {
        return {name, CheckVerdict::ok, "Docker can give containers NVIDIA GPUs."};
    }
    // A daemon gives GPUs by the toolkit's hook alone as well, which it does not tell anybody.
    const bool sure = facts.nvidia_hook.has_value();
    return {
        name, sure ? CheckVerdict::fail : CheckVerdict::warn,
        sure ? "Docker cannot give containers an NVIDIA GPU: nvidia-container-toolkit is missing."
             : "Docker names no way to give containers an NVIDIA GPU.",
        "Install nvidia-container-toolkit, then run: sudo nvidia-ctk runtime configure "
        "--runtime=docker && sudo systemctl restart docker"
    };
}

std::vector<Check> preflight(
    const EngineSpec& engine, const runtime::InstanceSpec& instance,
    const hardware::HardwareSnapshot& hardware, const ContainerFacts& facts
) {
    std::vector<Check> checks{check_docker(facts)};
    if (!facts.daemon) {
        return checks;
    }
    checks.push_back(check_image(instance, facts));
    checks.push_back(check_image_disk(instance, facts));
    checks.push_back(check_gpu_runtime(instance.accelerator, hardware, facts));
    if (instance.accelerator == "cuda") {
        checks.push_back(check_driver(engine, needs_of(engine, instance), hardware));
    }
    checks.push_back(check_port(instance, facts));
    return checks;
}

Result<void> refusal_of(const std::vector<Check>& checks) {
    const auto failed = std::ranges::find(checks, CheckVerdict::fail, &Check::verdict);
    if (failed == checks.end()) {
        return {};
    }

    // The words of the driver, which would have found the same later (runtime/docker_error.cpp).
    struct Row {
        std::string_view name;
        ErrorCode code;
        std::string_view word;
    };

    constexpr std::array<Row, 5> kWords{{
        {"docker", ErrorCode::unavailable, "docker_unavailable"},
        {"image disk", ErrorCode::exhausted, "disk_full"},
        {"gpu runtime", ErrorCode::precondition, "gpu_runtime_missing"},
        {"gpu driver", ErrorCode::precondition, "gpu_driver_too_old"},
        {"port", ErrorCode::precondition, "port_in_use"},
    }};
    const auto* const row = std::ranges::find(kWords, failed->name, &Row::name);
    const bool known = row != kWords.end();
    return fail(Error{
        .code = known ? row->code : ErrorCode::precondition,
        .message = failed->detail,
        .word = known ? std::string{row->word} : "preflight_failed",
        .remedy = failed->remedy
    });
}

}  // namespace nova::engine

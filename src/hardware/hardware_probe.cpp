// The sources side by side, then one merge: vendor tools for GPUs, the kernel for the rest.
#include "hardware/hardware_probe.hpp"

#include <algorithm>
#include <iterator>
#include <system_error>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "hardware/nvidia_smi.hpp"
#include "hardware/rocm_smi.hpp"

namespace nova::hardware {
namespace {

// "null over guess": Docker on an AMD-only machine needs no runtime of its own, the device nodes
// are handed in; so rocm is said when the daemon answers and the compute node is there.
DockerGpuRuntime
docker_runtime(bool daemon, bool nvidia_runtime, bool nvidia_gpu, bool amd_gpu, bool kfd) {
    if (nvidia_runtime && nvidia_gpu) {
        return DockerGpuRuntime::nvidia;
    }
    return daemon && amd_gpu && kfd ? DockerGpuRuntime::rocm : DockerGpuRuntime::none;
}

// `docker info` names the classic runtime, and since API 1.50 the devices of CDI files.
bool names_nvidia(const Json& info) {
    if (const auto runtimes = info.find("Runtimes");
        runtimes != info.end() && runtimes->is_object() && runtimes->contains("nvidia")) {
        return true;
    }
    const auto devices = info.find("DiscoveredDevices");
    if (devices == info.end() || !devices->is_array()) {
        return false;
    }
    return std::ranges::any_of(*devices, [](const Json& device) {
        const auto id = device.is_object() ? device.find("ID") : device.end();
        return device.is_object() && id != device.end() && id->is_string() &&
               id->get<std::string>().starts_with("nvidia.com/gpu");
    });
}

std::string joined(const std::vector<SourceReport>& reports) {
    std::string names;
    for (const SourceReport& report : reports) {
        if (report.contributed) {
            names += names.empty() ? report.source : "," + report.source;
        }
    }
    return names;
}

}  // namespace

struct HardwareProbe::NvidiaPart {
    NvidiaReading reading;
};

struct HardwareProbe::DockerPart {
    bool daemon = false;
    bool nvidia = false;
    std::string sentence;
};

HardwareProbe::HardwareProbe(CommandRunner runner, const Clock& clock, ProbeSettings settings)
    : runner_{std::move(runner)}, clock_{clock}, settings_{std::move(settings)} {}

Deadline HardwareProbe::deadline() const {
    return Deadline::in(clock_, settings_.source_limit);
}

// All programs and both field lists share one deadline: the limit is per source, not per try.
Task<HardwareProbe::NvidiaPart> HardwareProbe::ask_nvidia() {
    const Deadline until = deadline();
    NvidiaReading best{.verdict = NvidiaVerdict::no_tool, .sentence = {}};
    for (const std::string& program : nvidia_smi_programs()) {
        auto fields = NvidiaFields::full;
        auto output = co_await runner_(nvidia_inventory_argv(program, fields), until);
        NvidiaReading reading = parse_nvidia_inventory(output, fields);
        if (reading.verdict == NvidiaVerdict::unknown_field) {
            fields = NvidiaFields::basic;
            output = co_await runner_(nvidia_inventory_argv(program, fields), until);
            reading = parse_nvidia_inventory(output, fields);
        }
        if (std::ranges::any_of(reading.gpus, &GpuDevice::mig_enabled)) {
            const auto listing = co_await runner_(nvidia_list_argv(program), until);
            add_mig_devices(reading.gpus, listing);
        }
        if (reading.verdict == NvidiaVerdict::found) {
            co_return NvidiaPart{std::move(reading)};
        }
        // The first tool that is there has the say why nothing was found.
        if (best.verdict == NvidiaVerdict::no_tool) {
            best = std::move(reading);
        }
    }
    co_return NvidiaPart{std::move(best)};
}

Task<HardwareProbe::DockerPart> HardwareProbe::ask_docker() {
    std::vector<std::string> argv{"docker", "info", "--format", "{{json .}}"};
    const auto output = co_await runner_(std::move(argv), deadline());
    if (!output && output.error().code == ErrorCode::not_found) {
        co_return DockerPart{.sentence = "Docker is not installed."};
    }
    const auto info = output && output->exit_code == 0
                          ? parse_json(output->out, "docker info")
                          : Result<Json>{fail(ErrorCode::unavailable, "")};
    // Without a daemon the client still prints its own half of the document.
    if (!info || !info->is_object() || !info->contains("ServerVersion") ||
        (*info)["ServerVersion"] == "") {
        co_return DockerPart{.sentence = "Docker's daemon does not answer."};
    }
    co_return DockerPart{.daemon = true, .nvidia = names_nvidia(*info), .sentence = {}};
}

Task<Detection> HardwareProbe::detect() {
    using namespace asio::experimental::awaitable_operators;
    auto ask_rocm = runner_(rocm_inventory_argv(), deadline());
    auto all = ask_nvidia() && std::move(ask_rocm) && ask_docker();
    auto [nvidia, rocm_output, docker] = co_await std::move(all);
    RocmReading rocm = parse_rocm_inventory(rocm_output);
    const HostFacts host = read_host_facts(settings_.roots);

    Detection detection{.snapshot = {}, .reports = {}};
    detection.container = host.container;
    detection.wsl2 = host.wsl2;
    detection.reports = {
        {"procfs", host.cpu.logical_cores > 0 || host.machine_ram.has_value(), {}},
        {"nvidia-smi", !nvidia.reading.gpus.empty(), nvidia.reading.sentence},
        {"rocm-smi", !rocm.gpus.empty(), rocm.sentence},
        {"docker", docker.daemon, docker.sentence},
    };
    std::error_code code;
    const bool kfd = std::filesystem::exists(settings_.roots.root / "dev/kfd", code);
    HardwareSnapshot& snapshot = detection.snapshot;
    snapshot.docker_gpu_runtime = docker_runtime(
        docker.daemon, docker.nvidia, !nvidia.reading.gpus.empty(), !rocm.gpus.empty(), kfd
    );
    snapshot.gpus = std::move(nvidia.reading.gpus);
    std::ranges::move(rocm.gpus, std::back_inserter(snapshot.gpus));
    snapshot.cpu = host.cpu;
    snapshot.ram = host.usable_ram();
    snapshot.ram_available = host.ram_available;
    snapshot.disk_free = disk_free(settings_.weights_folder);
    snapshot.detected_at = rfc3339(clock_.wall_now());
    snapshot.source = joined(detection.reports);
    co_return detection;
}

Task<std::vector<GpuStats>> HardwareProbe::gpu_stats(HardwareSnapshot snapshot) {
    const Deadline until = deadline();
    for (const std::string& program : nvidia_smi_programs()) {
        const auto stats = co_await runner_(nvidia_stats_argv(program), until);
        if (!stats) {
            continue;
        }
        // Rows count even when the tool fails over another card; without rows try the next one.
        if (parse_nvidia_stats(stats->out, {}).empty()) {
            continue;
        }
        const auto processes = co_await runner_(nvidia_processes_argv(program), until);
        auto all = parse_nvidia_stats(stats->out, processes ? processes->out : std::string{});
        fill_unified_memory(all, snapshot);
        co_return all;
    }
    co_return std::vector<GpuStats>{};
}

}  // namespace nova::hardware

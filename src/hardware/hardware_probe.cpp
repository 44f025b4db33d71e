// The sources side by side, then one merge: vendor tools for GPUs, the kernel for the rest.
#include "hardware/hardware_probe.hpp"

#include <algorithm>
#include <iterator>
#include <system_error>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "hardware/amd_smi.hpp"
#include "hardware/amd_sysfs.hpp"
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

struct HardwareProbe::AmdPart {
    std::vector<GpuDevice> gpus;
    std::string source = "rocm-smi";  // who listed them, or is most worth installing
    std::string sentence;
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

// rocm-smi, its successor, and the kernel, which alone is believed only where ROCm can compute.
Task<HardwareProbe::AmdPart> HardwareProbe::ask_amd() {
    const Deadline until = deadline();
    const auto old = co_await runner_(rocm_inventory_argv(), until);
    RocmReading reading = parse_rocm_inventory(old);
    AmdPart part{.gpus = std::move(reading.gpus), .sentence = std::move(reading.sentence)};
    if (!part.gpus.empty()) {
        co_return part;
    }
    const auto fresh = co_await runner_(amd_static_argv(), until);
    RocmReading newer = parse_amd_inventory(fresh);
    if (!newer.gpus.empty()) {
        co_return AmdPart{.gpus = std::move(newer.gpus), .source = "amd-smi", .sentence = {}};
    }
    AmdSysfs kernel = read_amd_sysfs(settings_.roots);
    if (!kernel.gpus.empty() && kernel.compute) {
        co_return AmdPart{.gpus = std::move(kernel.gpus), .source = "sysfs", .sentence = {}};
    }
    if (!kernel.gpus.empty()) {
        part.sentence = "An AMD GPU is here, but /dev/kfd is not: ROCm cannot use it.";
    }
    co_return part;
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
    auto all = ask_nvidia() && ask_amd() && ask_docker();
    auto [nvidia, amd, docker] = co_await std::move(all);
    const HostFacts host = read_host_facts(settings_.roots);

    Detection detection{.snapshot = {}, .reports = {}};
    detection.container = host.container;
    detection.wsl2 = host.wsl2;
    detection.reports = {
        {"procfs", host.cpu.logical_cores > 0 || host.machine_ram.has_value(), {}},
        {"nvidia-smi", !nvidia.reading.gpus.empty(), nvidia.reading.sentence},
        {amd.source, !amd.gpus.empty(), amd.sentence},
        {"docker", docker.daemon, docker.sentence},
    };
    std::error_code code;
    const bool kfd = std::filesystem::exists(settings_.roots.root / "dev/kfd", code);
    // A sentence beside the cards is a complaint: not all of them may be among the rows.
    if (!host.container && !nvidia.reading.gpus.empty() && nvidia.reading.sentence.empty()) {
        detection.complete.push_back(GpuVendor::nvidia);
    }
    if (!host.container && !amd.gpus.empty() && amd.sentence.empty()) {
        detection.complete.push_back(GpuVendor::amd);
    }
    HardwareSnapshot& snapshot = detection.snapshot;
    snapshot.docker_gpu_runtime = docker_runtime(
        docker.daemon, docker.nvidia, !nvidia.reading.gpus.empty(), !amd.gpus.empty(), kfd
    );
    snapshot.gpus = std::move(nvidia.reading.gpus);
    std::ranges::move(amd.gpus, std::back_inserter(snapshot.gpus));
    snapshot.cpu = host.cpu;
    snapshot.ram = host.usable_ram();
    snapshot.ram_available = host.ram_available;
    snapshot.disk_free = disk_free(settings_.weights_folder);
    snapshot.detected_at = rfc3339(clock_.wall_now());
    snapshot.source = joined(detection.reports);
    co_return detection;
}

// The reading of whichever tool is there; its rows go into the report.
Task<NvidiaReading> HardwareProbe::host_figures(GpuReport& report) {
    const Deadline until = deadline();
    NvidiaReading best{.verdict = NvidiaVerdict::no_tool, .sentence = {}};
    for (const std::string& program : nvidia_smi_programs()) {
        const auto stats = co_await runner_(nvidia_stats_argv(program), until);
        NvidiaReading reading = nvidia_verdict(stats);
        reading.lost = reading.verdict == NvidiaVerdict::lost;
        // Rows count even when the tool fails over another card; without rows try the next one.
        report.gpus = stats ? parse_nvidia_stats(stats->out, {}) : std::vector<GpuStats>{};
        if (!report.gpus.empty()) {
            const auto processes = co_await runner_(nvidia_processes_argv(program), until);
            report.gpus = parse_nvidia_stats(stats->out, processes ? processes->out : "");
            report.source = "host";
            reading.verdict = NvidiaVerdict::found;
            co_return reading;
        }
        if (best.verdict == NvidiaVerdict::no_tool) {
            best = std::move(reading);
        }
    }
    co_return best;
}

// Asked also where the host answers: a container can lose what the host still has.
Task<void> HardwareProbe::figures_inside(GpuReport& report, const CommandRunner& inside) {
    const Deadline until = deadline();
    const auto stats = co_await inside(nvidia_stats_argv("nvidia-smi"), until);
    report.asked_inside = true;
    report.inside = nvidia_verdict(stats);
    auto rows = stats ? parse_nvidia_stats(stats->out, {}) : std::vector<GpuStats>{};
    if (rows.empty() || !report.gpus.empty()) {
        co_return;
    }
    const auto processes = co_await inside(nvidia_processes_argv("nvidia-smi"), until);
    report.gpus = parse_nvidia_stats(stats->out, processes ? processes->out : "");
    report.source = "container";
}

Task<void> HardwareProbe::amd_figures(GpuReport& report, const CommandRunner& inside) {
    const Deadline until = deadline();
    const auto rocm = co_await runner_(rocm_stats_argv(), until);
    auto found = rocm ? parse_rocm_stats(rocm->out) : std::vector<GpuStats>{};
    std::string source = "host";
    if (found.empty()) {
        const auto metrics = co_await runner_(amd_metric_argv(), until);
        if (metrics && metrics->exit_code == 0) {
            const auto statics = co_await runner_(amd_static_argv(), until);
            found = parse_amd_stats(statics ? statics->out : "", metrics->out);
        }
    }
    if (found.empty()) {
        found = read_amd_sysfs(settings_.roots).stats;
        source = "sysfs";
    }
    if (found.empty() && inside) {
        const auto there = co_await inside(rocm_stats_argv(), until);
        found = there ? parse_rocm_stats(there->out) : std::vector<GpuStats>{};
        source = "container";
    }
    if (!found.empty()) {
        report.source = report.source.empty() ? source : report.source;
        std::ranges::move(found, std::back_inserter(report.gpus));
    }
}

Task<GpuReport> HardwareProbe::look_at_gpus(HardwareSnapshot snapshot, CommandRunner inside) {
    const auto has = [&snapshot](GpuVendor vendor) {
        return std::ranges::find(snapshot.gpus, vendor, &GpuDevice::vendor) != snapshot.gpus.end();
    };
    GpuReport report;
    report.host = co_await host_figures(report);
    if (inside && (report.gpus.empty() || has(GpuVendor::nvidia))) {
        co_await figures_inside(report, inside);
    }
    fill_unified_memory(report.gpus, snapshot);
    if (report.gpus.empty() || has(GpuVendor::amd)) {
        co_await amd_figures(report, inside);
    }
    co_return report;
}

}  // namespace nova::hardware

// The host's word counts more than the container's: what the host lost no restart brings back.
#include "hardware/gpu_health.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace nova::hardware {
namespace {

bool has_nvidia(const HardwareSnapshot& snapshot) {
    return std::ranges::any_of(snapshot.gpus, [](const GpuDevice& gpu) {
        return gpu.vendor == GpuVendor::nvidia;
    });
}

// What the host's tool says is wrong; none when it lists its devices or is not there at all.
GpuFinding host_trouble(const NvidiaReading& host) {
    if (host.lost) {
        return {
            GpuTrouble::lost, false, "A GPU stopped answering its driver (it is lost).",
            "Check the card's power and seating, then reboot; look at dmesg for Xid messages."
        };
    }
    switch (host.verdict) {
    case NvidiaVerdict::version_mismatch:
        return {
            GpuTrouble::driver_replaced, false,
            "The NVIDIA driver was upgraded while the old one is loaded.",
            "Reboot: an engine that runs goes on until then, a new one would find no GPU."
        };
    case NvidiaVerdict::no_devices:
    case NvidiaVerdict::driver_away:
        return {
            GpuTrouble::driver_away, false, "The NVIDIA driver has no GPU any more.",
            "Load the driver (modprobe nvidia) or reboot, then run: nova detect"
        };
    case NvidiaVerdict::nvml_unknown:
        return {
            GpuTrouble::driver_away, false, "NVIDIA's library cannot reach the GPU any more.",
            "Reboot. If nova itself runs in a container: recreate that container."
        };
    case NvidiaVerdict::timed_out:
        return {
            GpuTrouble::hung, false, "The NVIDIA driver does not answer.",
            "Reboot if it stays so; look at dmesg for Xid messages."
        };
    case NvidiaVerdict::lost:  // said by host.lost
    case NvidiaVerdict::found:
    case NvidiaVerdict::no_tool:
    case NvidiaVerdict::unknown_field:
    case NvidiaVerdict::failed:
        return {};
    }
    return {};
}

bool container_lost_it(const GpuReport& report) {
    return report.asked_inside && (report.inside.verdict == NvidiaVerdict::nvml_unknown ||
                                   report.inside.verdict == NvidiaVerdict::no_devices);
}

}  // namespace

std::string_view word(GpuTrouble trouble) {
    switch (trouble) {
    case GpuTrouble::none:
        return "none";
    case GpuTrouble::lost:
        return "lost";
    case GpuTrouble::taken:
        return "taken";
    case GpuTrouble::driver_replaced:
        return "driver_replaced";
    case GpuTrouble::driver_away:
        return "driver_away";
    case GpuTrouble::hung:
        return "hung";
    case GpuTrouble::on_cpu:
        return "on_cpu";
    }
    return "";
}

GpuFinding
judge_gpus(const HardwareSnapshot& known, const GpuReport& report, const EngineUse& use) {
    if (has_nvidia(known)) {
        if (GpuFinding finding = host_trouble(report.host); finding.trouble != GpuTrouble::none) {
            return finding;
        }
    }
    if (!use.planned_gpu) {
        return {};
    }
    if (container_lost_it(report)) {
        return {
            GpuTrouble::taken, true,
            fmt::format("The GPU was taken from {}'s container.", use.title),
            "A reload of the host's services does that; give containers their GPU by CDI to "
            "prevent it: nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
        };
    }
    if (use.on_cpu && use.container) {
        return {
            GpuTrouble::on_cpu, true,
            fmt::format("{} found no GPU and computes on the CPU.", use.title),
            "If it stays so, check with: docker run --rm --gpus all ubuntu nvidia-smi"
        };
    }
    if (use.on_cpu) {
        return {
            GpuTrouble::on_cpu, false,
            fmt::format("{} computes on the CPU although this machine has a GPU.", use.title),
            fmt::format("Install a build of {} for this GPU.", use.title)
        };
    }
    return {};
}

Json to_json(const GpuFinding& finding) {
    const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
    return {
        {"trouble", word(finding.trouble)},
        {"detail", or_null(finding.sentence)},
        {"remedy", or_null(finding.remedy)},
        {"restarting", finding.restart_helps},
    };
}

}  // namespace nova::hardware

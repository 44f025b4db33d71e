// Devices of one kind, as many as a model can be spread over, refused where the engine's build
// cannot use them.
#include "engine/launch_devices.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ranges>

#include <fmt/format.h>

namespace nova::engine {
namespace {

using hardware::GpuDevice;
using hardware::GpuVendor;
using hardware::HardwareSnapshot;

// Graphics of a processor carve a little out of the RAM; nothing useful fits there.
constexpr Bytes kLeastVram = gib(2);
// Of the free memory: the driver's own share for a process that begins to compute.
constexpr Bytes kDriverReserve = mib(512);
// Where GPU and CPU share one memory, the rest of the machine has to live as well.
constexpr double kUnifiedMost = 0.7;

bool usable(const GpuDevice& gpu) {
    return gpu.unified_memory || !gpu.vram || *gpu.vram >= kLeastVram;
}

// Numbers between dots; anything else ends it.
std::vector<unsigned> numbers_of(const std::string& version) {
    std::vector<unsigned> numbers;
    const char* at = version.data();
    const char* const end = at + version.size();
    while (at != end) {
        unsigned number = 0;
        const auto [next, code] = std::from_chars(at, end, number);
        if (code != std::errc{}) {
            break;
        }
        numbers.push_back(number);
        at = next != end && *next == '.' ? next + 1 : end;
    }
    return numbers;
}

// Devices of one kind: same vendor, name and memory.
struct Kind {
    std::vector<const GpuDevice*> devices;
    Bytes total;
};

std::vector<Kind> kinds_of(const HardwareSnapshot& hardware, GpuVendor vendor) {
    std::vector<Kind> kinds;
    for (const GpuDevice& gpu : hardware.gpus) {
        if (gpu.vendor != vendor || !usable(gpu)) {
            continue;
        }
        auto kind = std::ranges::find_if(kinds, [&](const Kind& one) {
            return one.devices.front()->name == gpu.name && one.devices.front()->vram == gpu.vram;
        });
        if (kind == kinds.end()) {
            kind = kinds.insert(kinds.end(), Kind{});
        }
        kind->devices.push_back(&gpu);
        kind->total = kind->total + memory_of(hardware, gpu).value_or(Bytes{});
    }
    // The most memory first; of equal ones that which the vendor counts first.
    std::ranges::sort(kinds, [](const Kind& a, const Kind& b) {
        return a.total != b.total ? a.total > b.total
                                  : a.devices.front()->index < b.devices.front()->index;
    });
    return kinds;
}

// Tensor parallelism divides attention heads, so only powers of two always work.
unsigned power_of_two_below(std::size_t count) {
    unsigned power = 1;
    while (std::size_t{power} * 2 <= count) {
        power *= 2;
    }
    return power;
}

Error cannot(std::string message, std::string remedy) {
    return Error{
        .code = ErrorCode::unsupported,
        .message = std::move(message),
        .word = "cannot_run_here",
        .remedy = std::move(remedy)
    };
}

constexpr std::string_view kOtherEngine =
    "Choose another engine: llama.cpp and Ollama run on older devices and without any.";

std::string_view machine_word(std::string_view accelerator) {
    return accelerator == "cuda"   ? "NVIDIA GPUs"
           : accelerator == "rocm" ? "AMD GPUs"
                                   : "machines without a GPU";
}

Result<void> check_gpu(
    const EngineSpec& engine, const AcceleratorNeeds& needs, const GpuDevice& gpu,
    runtime::RuntimeKind runtime
) {
    if (!needs.compute.empty() && older(gpu.compute_capability, needs.compute)) {
        return fail(cannot(
            fmt::format(
                "{} needs compute capability {}; {} has {}.", engine.title, needs.compute, gpu.name,
                gpu.compute_capability
            ),
            std::string{kOtherEngine}
        ));
    }
    const bool listed =
        needs.architectures.empty() || gpu.compute_capability.empty() ||
        std::ranges::find(needs.architectures, gpu.compute_capability) != needs.architectures.end();
    if (runtime == runtime::RuntimeKind::docker && !listed) {
        return fail(cannot(
            fmt::format(
                "{}'s image for AMD is made for {}; {} is {}.", engine.title,
                fmt::join(needs.architectures, ", "), gpu.name, gpu.compute_capability
            ),
            std::string{kOtherEngine}
        ));
    }
    return {};
}

Result<void> check_cpu(
    const EngineSpec& engine, const AcceleratorNeeds& needs, const HardwareSnapshot& hardware,
    runtime::RuntimeKind runtime
) {
    for (const std::string& flag : needs.cpu_flags) {
        const auto& have = hardware.cpu.flags;
        if (runtime == runtime::RuntimeKind::docker &&
            std::ranges::find(have, flag) == have.end()) {
            return fail(cannot(
                fmt::format(
                    "Without a GPU {} needs a processor with {}; this one has it not.",
                    engine.title, flag
                ),
                std::string{kOtherEngine}
            ));
        }
    }
    return {};
}

// there: how many devices of that vendor the machine has, also such as are of no use.
void choose_group(
    const EngineSpec& engine, const std::vector<Kind>& kinds, std::ptrdiff_t there,
    DeviceChoice& choice
) {
    std::vector<const GpuDevice*> all;
    for (const Kind& kind : kinds) {
        all.insert(all.end(), kind.devices.begin(), kind.devices.end());
    }
    // An engine that shares a model by layers takes whatever there is.
    const bool spreads_evenly = !engine.multi_gpu_argv.empty();
    choice.count = spreads_evenly ? power_of_two_below(kinds.front().devices.size())
                                  : static_cast<unsigned>(all.size());
    if (choice.count == there) {
        return;
    }
    for (const GpuDevice* gpu : all | std::views::take(choice.count)) {
        choice.indices.push_back(gpu->index);
        choice.ids.push_back(gpu->uuid.empty() ? fmt::to_string(gpu->index) : gpu->uuid);
    }
}

// Of a partitioned card only slices can be used, one of them by one process.
void choose_slice(const GpuDevice& gpu, DeviceChoice& choice) {
    if (!gpu.mig_enabled || gpu.mig.empty()) {
        return;
    }
    choice.count = 1;
    choice.ids = {gpu.mig.front().uuid};
    choice.indices.clear();
    choice.memory.reset();  // the card's figure is not the slice's
}

}  // namespace

bool older(const std::string& a, const std::string& b) {
    const auto left = numbers_of(a);
    return !left.empty() && left < numbers_of(b);
}

Result<DeviceChoice> choose_devices(
    const EngineSpec& engine, const HardwareSnapshot& hardware, bool gpu_wanted,
    runtime::RuntimeKind runtime
) {
    DeviceChoice choice;
    std::vector<Kind> kinds;
    if (gpu_wanted) {
        kinds = kinds_of(hardware, GpuVendor::nvidia);
        choice.accelerator = kinds.empty() ? "cpu" : "cuda";
    }
    if (gpu_wanted && kinds.empty()) {
        kinds = kinds_of(hardware, GpuVendor::amd);
        choice.accelerator = kinds.empty() ? "cpu" : "rocm";
    }
    if (runtime == runtime::RuntimeKind::docker && !engine.images.contains(choice.accelerator)) {
        return fail(cannot(
            fmt::format("{} has no image for {}.", engine.title, machine_word(choice.accelerator)),
            std::string{kOtherEngine}
        ));
    }
    const auto at = engine.needs.find(choice.accelerator);
    const AcceleratorNeeds needs = at == engine.needs.end() ? AcceleratorNeeds{} : at->second;
    if (kinds.empty()) {
        const auto checked = check_cpu(engine, needs, hardware, runtime);
        return checked ? Result<DeviceChoice>{choice} : propagate(checked);
    }
    const GpuDevice& first = *kinds.front().devices.front();
    if (const auto checked = check_gpu(engine, needs, first, runtime); !checked) {
        return propagate(checked);
    }
    choice.memory = memory_of(hardware, first);
    choice.unified = first.unified_memory;
    choice.compute_capability = first.compute_capability;
    choose_group(
        engine, kinds, std::ranges::count(hardware.gpus, first.vendor, &GpuDevice::vendor), choice
    );
    choose_slice(first, choice);
    return choice;
}

std::optional<Bytes>
least_free(const DeviceChoice& devices, const std::vector<hardware::GpuStats>& stats) {
    const GpuVendor vendor = devices.accelerator == "cuda" ? GpuVendor::nvidia : GpuVendor::amd;
    std::optional<Bytes> least;
    for (const hardware::GpuStats& gpu : stats) {
        const auto named = [&gpu](const std::string& id) {
            return id == gpu.uuid || id == fmt::to_string(gpu.index);
        };
        const bool given = devices.ids.empty() || std::ranges::any_of(devices.ids, named);
        if (gpu.vendor != vendor || !given) {
            continue;
        }
        if (!gpu.vram_total || !gpu.vram_used) {
            return std::nullopt;
        }
        const Bytes free = *gpu.vram_total - *gpu.vram_used;
        least = least ? std::min(*least, free) : free;
    }
    return least;
}

std::string
memory_fraction(const EngineSpec& engine, const DeviceChoice& devices, std::optional<Bytes> free) {
    double share = engine.memory_fraction_most;
    if (devices.unified) {
        share = std::min(share, kUnifiedMost);
    }
    if (free && devices.memory && devices.memory->count > 0) {
        const Bytes room = *free - kDriverReserve;
        share = std::min(
            share, static_cast<double>(room.count) / static_cast<double>(devices.memory->count)
        );
    }
    // Rounded down, so that it still fits; a tenth is the least an engine could begin with.
    const int percent = std::max(10, static_cast<int>(std::floor(share * 100.0 + 1e-9)));
    return fmt::format("0.{:02}", std::min(percent, 99));
}

}  // namespace nova::engine

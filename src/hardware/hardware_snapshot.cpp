// The snapshot's JSON in both schemas, and the rule by which a new one replaces an old one.
#include "hardware/hardware_snapshot.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace nova::hardware {
namespace {

constexpr double kGib = 1024.0 * 1024.0 * 1024.0;
// No machine has more; a bigger figure is a damaged file, and a double that large does not convert.
constexpr double kMostGib = 1e8;

Json number_or_null(const std::optional<Bytes>& bytes) {
    return bytes ? Json(bytes->count) : Json(nullptr);
}

// The first Nova rounded GPU memory to one decimal of GiB.
Json vram_gb(const std::optional<Bytes>& bytes) {
    return bytes ? Json(std::round(static_cast<double>(bytes->count) / kGib * 10.0) / 10.0)
                 : Json(nullptr);
}

Json whole_gb(const std::optional<Bytes>& bytes) {
    return bytes ? Json(bytes->count / gib(1).count) : Json(nullptr);
}

Json text_or_null(const std::string& text) {
    return text.empty() ? Json(nullptr) : Json(text);
}

Json gpu_to_json(const GpuDevice& gpu) {
    Json value{
        {"index", gpu.index},
        {"vendor", word(gpu.vendor)},
        {"name", gpu.name},
        {"model", gpu.name},
        {"vram_bytes", number_or_null(gpu.vram)},
        {"vram_gb", vram_gb(gpu.vram)},
        {"driver", text_or_null(gpu.driver)},
        {"uuid", text_or_null(gpu.uuid)},
    };
    if (!gpu.compute_capability.empty()) {
        value["compute_capability"] = gpu.compute_capability;
    }
    if (gpu.unified_memory) {
        value["unified_memory"] = true;
    }
    if (gpu.mig_enabled) {
        value["mig_enabled"] = true;
        Json slices = Json::array();
        for (const MigDevice& slice : gpu.mig) {
            slices.push_back({{"profile", slice.profile}, {"uuid", slice.uuid}});
        }
        value["mig"] = std::move(slices);
    }
    return value;
}

GpuVendor vendor_from(std::string_view text) {
    for (const GpuVendor vendor : {GpuVendor::nvidia, GpuVendor::amd, GpuVendor::intel}) {
        if (word(vendor) == text) {
            return vendor;
        }
    }
    return GpuVendor::other;
}

// Ours in bytes, else the first Nova's in GiB, where 0 meant "not known". Anything below zero or
// beyond belief counts as unknown too: a damaged figure must not become a plan.
std::optional<Bytes> read_bytes(JsonReader& reader, const char* bytes_key, const char* gb_key) {
    if (const auto bytes = reader.integer(bytes_key)) {
        return *bytes < 0 ? std::nullopt : std::optional{Bytes{static_cast<std::uint64_t>(*bytes)}};
    }
    const auto gb = reader.number(gb_key);
    if (!gb || *gb <= 0.0 || *gb > kMostGib) {
        return std::nullopt;
    }
    return Bytes{static_cast<std::uint64_t>(*gb * kGib)};
}

unsigned read_count(JsonReader& reader, const char* key) {
    const std::int64_t count = reader.integer(key).value_or(0);
    return static_cast<unsigned>(std::clamp<std::int64_t>(count, 0, 1'000'000));
}

std::string first_text(JsonReader& reader, const char* key, const char* other) {
    auto value = reader.text(key);
    return value ? *value : reader.text(other).value_or("");
}

Result<GpuDevice> gpu_from_json(const Json& value, std::string path) {
    JsonReader reader{value, path};
    GpuDevice gpu{
        .index = read_count(reader, "index"),
        .vendor = vendor_from(reader.text("vendor").value_or("")),
        .name = first_text(reader, "name", "model"),
        .vram = read_bytes(reader, "vram_bytes", "vram_gb"),
        .driver = reader.text("driver").value_or(""),
        .uuid = reader.text("uuid").value_or(""),
        .compute_capability = reader.text("compute_capability").value_or(""),
        .unified_memory = reader.boolean("unified_memory").value_or(false),
        .mig_enabled = reader.boolean("mig_enabled").value_or(false),
    };
    if (const Json* slices = reader.array("mig")) {
        for (const Json& slice : *slices) {
            JsonReader one{slice, path + ".mig"};
            gpu.mig.push_back(
                {.profile = one.text("profile").value_or(""), .uuid = one.text("uuid").value_or("")}
            );
            if (one.error()) {
                return fail(*one.error());
            }
        }
    }
    if (reader.error()) {
        return fail(*reader.error());
    }
    return gpu;
}

Result<CpuFacts> cpu_from_json(const Json* value, unsigned first_nova_cores) {
    CpuFacts cpu;
    if (value != nullptr) {
        JsonReader reader{*value, "hardware.cpu"};
        cpu.model = reader.text("model").value_or("");
        cpu.logical_cores = read_count(reader, "cores");
        cpu.physical_cores = read_count(reader, "physical_cores");
        cpu.limit = reader.number("limit");
        if (const Json* flags = reader.array("flags")) {
            for (const Json& flag : *flags) {
                if (flag.is_string()) {
                    cpu.flags.push_back(flag.get<std::string>());
                }
            }
        }
        if (reader.error()) {
            return fail(*reader.error());
        }
    }
    if (cpu.logical_cores == 0) {
        cpu.logical_cores = first_nova_cores;
    }
    return cpu;
}

bool same_device(const GpuDevice& a, const GpuDevice& b) {
    if (a.vendor != b.vendor) {
        return false;
    }
    if (!a.uuid.empty() && !b.uuid.empty()) {
        return a.uuid == b.uuid;
    }
    return a.index == b.index;
}

// Another card in the same slot: both sides know who they are, and they differ.
bool replaced_by(const GpuDevice& old, const GpuDevice& fresh) {
    return old.vendor == fresh.vendor && old.index == fresh.index && !old.uuid.empty() &&
           !fresh.uuid.empty() && old.uuid != fresh.uuid;
}

// A card that moved to another index is no replacement of the one that was there.
bool gone_for_good(const GpuDevice& old, const std::vector<GpuDevice>& fresh) {
    return std::ranges::any_of(fresh, [&](const GpuDevice& gpu) { return replaced_by(old, gpu); });
}

void fill_text(std::string& target, const std::string& source) {
    if (target.empty()) {
        target = source;
    }
}

void fill_gpu(GpuDevice& gpu, const GpuDevice& stored) {
    fill_text(gpu.name, stored.name);
    fill_text(gpu.driver, stored.driver);
    fill_text(gpu.uuid, stored.uuid);
    fill_text(gpu.compute_capability, stored.compute_capability);
    gpu.vram = gpu.vram ? gpu.vram : stored.vram;
    gpu.unified_memory = gpu.unified_memory || (!gpu.vram && stored.unified_memory);
    if (gpu.mig_enabled && gpu.mig.empty()) {
        gpu.mig = stored.mig;
    }
}

void keep_gpus(
    MergedSnapshot& merged, const HardwareSnapshot& stored, const std::vector<GpuVendor>& complete
) {
    auto& gpus = merged.snapshot.gpus;
    const std::vector<GpuDevice> fresh = gpus;
    for (const GpuDevice& old : stored.gpus) {
        const auto match =
            std::ranges::find_if(gpus, [&](const GpuDevice& gpu) { return same_device(old, gpu); });
        if (match != gpus.end()) {
            fill_gpu(*match, old);
        } else if (std::ranges::find(complete, old.vendor) == complete.end() &&
                   !gone_for_good(old, fresh)) {
            merged.kept.push_back(fmt::format(
                "GPU {} ({}) is not visible now and was kept from the record of {}.", old.index,
                old.name, stored.detected_at.empty() ? "earlier" : stored.detected_at
            ));
            gpus.push_back(old);
        }
    }
    std::ranges::sort(gpus, {}, [](const GpuDevice& gpu) {
        return std::tuple{gpu.vendor, gpu.index};
    });
}

}  // namespace

std::string_view word(GpuVendor vendor) {
    switch (vendor) {
    case GpuVendor::nvidia:
        return "nvidia";
    case GpuVendor::amd:
        return "amd";
    case GpuVendor::intel:
        return "intel";
    case GpuVendor::other:
        return "other";
    }
    return "other";
}

std::string_view word(DockerGpuRuntime runtime) {
    switch (runtime) {
    case DockerGpuRuntime::none:
        return "none";
    case DockerGpuRuntime::nvidia:
        return "nvidia";
    case DockerGpuRuntime::rocm:
        return "rocm";
    }
    return "none";
}

unsigned CpuFacts::usable_cores() const {
    if (!limit || *limit <= 0.0 || *limit >= logical_cores) {
        return logical_cores;
    }
    return std::max(1U, static_cast<unsigned>(std::ceil(*limit)));
}

std::optional<Bytes> memory_of(const HardwareSnapshot& snapshot, const GpuDevice& gpu) {
    if (gpu.vram) {
        return gpu.vram;
    }
    return gpu.unified_memory ? snapshot.ram : std::nullopt;
}

Json to_json(const HardwareSnapshot& snapshot) {
    Json gpus = Json::array();
    for (const GpuDevice& gpu : snapshot.gpus) {
        gpus.push_back(gpu_to_json(gpu));
    }
    Json cpu{
        {"model", text_or_null(snapshot.cpu.model)},
        {"cores", snapshot.cpu.logical_cores},
        {"physical_cores", snapshot.cpu.physical_cores},
        {"flags", snapshot.cpu.flags},
    };
    if (snapshot.cpu.limit) {
        cpu["limit"] = *snapshot.cpu.limit;
    }
    return Json{
        {"gpus", std::move(gpus)},
        {"docker_gpu_runtime", word(snapshot.docker_gpu_runtime)},
        {"cpu", std::move(cpu)},
        {"cpu_cores", snapshot.cpu.usable_cores()},
        {"ram_bytes", number_or_null(snapshot.ram)},
        {"ram_available_bytes", number_or_null(snapshot.ram_available)},
        {"ram_gb", whole_gb(snapshot.ram)},
        {"disk_free_bytes", number_or_null(snapshot.disk_free)},
        {"disk_free_gb", whole_gb(snapshot.disk_free)},
        {"detected_at", snapshot.detected_at},
        {"source", snapshot.source},
    };
}

Result<HardwareSnapshot> snapshot_from_json(const Json& value) {
    JsonReader reader{value, "hardware"};
    HardwareSnapshot snapshot;
    if (const Json* gpus = reader.array("gpus")) {
        for (std::size_t i = 0; i < gpus->size(); ++i) {
            auto gpu = gpu_from_json((*gpus)[i], fmt::format("hardware.gpus[{}]", i));
            if (!gpu) {
                return propagate(gpu);
            }
            snapshot.gpus.push_back(*std::move(gpu));
        }
    }
    const std::string runtime = reader.text("docker_gpu_runtime").value_or("");
    for (const auto known : {DockerGpuRuntime::nvidia, DockerGpuRuntime::rocm}) {
        if (word(known) == runtime) {
            snapshot.docker_gpu_runtime = known;
        }
    }
    auto cpu = cpu_from_json(reader.object("cpu"), read_count(reader, "cpu_cores"));
    if (!cpu) {
        return propagate(cpu);
    }
    snapshot.cpu = *std::move(cpu);
    snapshot.ram = read_bytes(reader, "ram_bytes", "ram_gb");
    snapshot.ram_available = read_bytes(reader, "ram_available_bytes", "");
    snapshot.disk_free = read_bytes(reader, "disk_free_bytes", "disk_free_gb");
    snapshot.detected_at = reader.text("detected_at").value_or("");
    snapshot.source = reader.text("source").value_or("");
    if (reader.error()) {
        return fail(*reader.error());
    }
    return snapshot;
}

MergedSnapshot merge(
    const HardwareSnapshot& stored, const HardwareSnapshot& fresh, Overwrite overwrite,
    const std::vector<GpuVendor>& complete
) {
    MergedSnapshot merged{.snapshot = fresh, .kept = {}};
    if (overwrite == Overwrite::replace) {
        return merged;
    }
    HardwareSnapshot& result = merged.snapshot;
    keep_gpus(merged, stored, complete);
    if (result.docker_gpu_runtime == DockerGpuRuntime::none &&
        stored.docker_gpu_runtime != DockerGpuRuntime::none) {
        result.docker_gpu_runtime = stored.docker_gpu_runtime;
        merged.kept.push_back(fmt::format(
            "Docker's GPU runtime ({}) is not visible now and was kept from the record.",
            word(stored.docker_gpu_runtime)
        ));
    }
    fill_text(result.cpu.model, stored.cpu.model);
    if (result.cpu.logical_cores == 0) {
        result.cpu = stored.cpu;
    }
    if (result.cpu.flags.empty()) {
        result.cpu.flags = stored.cpu.flags;
    }
    result.ram = result.ram ? result.ram : stored.ram;
    result.disk_free = result.disk_free ? result.disk_free : stored.disk_free;
    if (!merged.kept.empty()) {
        result.source += result.source.empty() ? "kept" : ",kept";
    }
    return merged;
}

}  // namespace nova::hardware

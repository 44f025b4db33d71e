// amd-smi's JSON: {"value": n, "unit": "MB"} where a figure is known, "N/A" where not. MB is MiB.
#include "hardware/amd_smi.hpp"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "hardware/tool_text.hpp"

namespace nova::hardware {
namespace {

constexpr double kMostMib = 1e9;

// The list of devices: bare in older releases, below gpu_data in newer ones.
Json devices_in(std::string_view text) {
    const auto begin = text.find_first_of("[{");  // warnings may come first
    if (begin == std::string_view::npos) {
        return Json::array();
    }
    auto value = parse_json(text.substr(begin), "amd-smi");
    if (!value) {
        return Json::array();
    }
    if (value->is_object() && value->contains("gpu_data")) {
        value = Json((*value)["gpu_data"]);
    }
    return value->is_array() ? *std::move(value) : Json::array();
}

const Json* at(const Json& device, std::initializer_list<const char*> path) {
    const Json* here = &device;
    for (const char* name : path) {
        if (!here->is_object()) {
            return nullptr;
        }
        const auto next = here->find(name);
        if (next == here->end()) {
            return nullptr;
        }
        here = &*next;
    }
    return here;
}

std::string text_at(const Json& device, std::initializer_list<const char*> path) {
    const Json* value = at(device, path);
    if (value == nullptr || !value->is_string() || *value == "N/A") {
        return {};
    }
    return value->get<std::string>();
}

std::optional<double> figure_at(const Json& device, std::initializer_list<const char*> path) {
    const Json* value = at(device, path);
    if (value != nullptr && value->is_object()) {
        value = at(*value, {"value"});
    }
    return value != nullptr && value->is_number() ? std::optional{value->get<double>()}
                                                  : std::nullopt;
}

std::optional<Bytes> memory_at(const Json& device, std::initializer_list<const char*> path) {
    const auto figure = figure_at(device, path);
    if (!figure || *figure < 0.0 || *figure > kMostMib) {
        return std::nullopt;
    }
    return mib(static_cast<std::uint64_t>(*figure));
}

std::optional<unsigned> index_of(const Json& device) {
    const Json* index = at(device, {"gpu"});
    if (index == nullptr || !index->is_number_unsigned() || *index > 4096U) {
        return std::nullopt;
    }
    return index->get<unsigned>();
}

std::optional<double> power_limit_of(const Json& device) {
    if (auto limit = figure_at(device, {"limit", "socket_power"})) {
        return limit;
    }
    return figure_at(device, {"limit", "ppt0", "socket_power_limit"});
}

std::optional<GpuDevice> parse_device(const Json& device) {
    const auto index = index_of(device);
    if (!index) {
        return std::nullopt;
    }
    GpuDevice gpu{
        .index = *index,
        .vendor = GpuVendor::amd,
        .name = text_at(device, {"asic", "market_name"}),
        .driver = text_at(device, {"driver", "version"}),
        .uuid = text_at(device, {"asic", "asic_serial"}),
        .compute_capability = text_at(device, {"asic", "target_graphics_version"}),
    };
    if (gpu.name.empty()) {
        gpu.name = "AMD GPU";
    }
    gpu.vram = memory_at(device, {"vram", "size"});
    return gpu;
}

GpuStats parse_metric(const Json& device, unsigned index) {
    GpuStats stats{
        .index = index,
        .vendor = GpuVendor::amd,
        .utilization_pct = figure_at(device, {"usage", "gfx_activity"}),
        .vram_used = memory_at(device, {"mem_usage", "used_vram"}),
        .vram_total = memory_at(device, {"mem_usage", "total_vram"}),
        .temperature_c = figure_at(device, {"temperature", "edge"}),
        .power_w = figure_at(device, {"power", "socket_power"}),
    };
    if (!stats.temperature_c) {  // server parts have no edge sensor
        stats.temperature_c = figure_at(device, {"temperature", "hotspot"});
    }
    return stats;
}

}  // namespace

std::vector<std::string> amd_static_argv() {
    return {"amd-smi", "static", "--asic", "--vram", "--driver", "--limit", "--json"};
}

std::vector<std::string> amd_metric_argv() {
    return {"amd-smi", "metric", "--usage", "--power", "--temperature", "--mem-usage", "--json"};
}

RocmReading parse_amd_inventory(const Result<CommandOutput>& output) {
    RocmReading reading;
    if (!output || output->exit_code == 127) {
        reading.tool = !output && output.error().code != ErrorCode::not_found;
        reading.sentence = reading.tool ? "amd-smi did not answer: " + output.error().message
                                        : "No AMD tool (amd-smi) is installed.";
        return reading;
    }
    reading.tool = true;
    for (const Json& device : devices_in(output->out)) {
        if (auto gpu = parse_device(device)) {
            reading.gpus.push_back(*std::move(gpu));
        }
    }
    std::ranges::sort(reading.gpus, {}, &GpuDevice::index);
    if (reading.gpus.empty()) {
        const bool away = lowered(output->out + output->err).contains("driver not loaded");
        reading.sentence = away ? "amd-smi is installed but the amdgpu driver is not loaded."
                                : "amd-smi lists no GPU.";
    }
    return reading;
}

std::vector<GpuStats> parse_amd_stats(const std::string& statics, const std::string& metrics) {
    std::vector<GpuStats> all;
    for (const Json& device : devices_in(metrics)) {
        if (const auto index = index_of(device)) {
            all.push_back(parse_metric(device, *index));
        }
    }
    for (const Json& device : devices_in(statics)) {
        const auto index = index_of(device);
        const auto gpu =
            index ? std::ranges::find(all, *index, &GpuStats::index) : std::ranges::end(all);
        if (gpu != all.end()) {
            gpu->name = text_at(device, {"asic", "market_name"});
            gpu->uuid = text_at(device, {"asic", "asic_serial"});
            gpu->power_limit_w = power_limit_of(device);
        }
    }
    std::ranges::sort(all, {}, &GpuStats::index);
    return all;
}

}  // namespace nova::hardware

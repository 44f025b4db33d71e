// nvidia-smi's live fields into values; MiB and watts into bytes and numbers.
#include "hardware/gpu_stats.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "hardware/nvidia_smi.hpp"
#include "hardware/tool_text.hpp"

namespace nova::hardware {
namespace {

constexpr std::string_view kStatsFields =
    "index,uuid,name,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw,"
    "power.limit";
constexpr std::string_view kProcessFields = "gpu_uuid,pid,process_name,used_gpu_memory";
constexpr double kMostMib = 1e9;

std::optional<Bytes> mib_field(std::string_view field) {
    const auto number = nvidia_number(field);
    if (!number || *number < 0.0 || *number > kMostMib) {
        return std::nullopt;
    }
    return mib(static_cast<std::uint64_t>(*number));
}

std::string known_text(const std::string& field) {
    return field.starts_with('[') ? std::string{} : field;
}

// A last row without its end was cut: half a number looks like a number.
template <class Each>
void each_row(std::string_view text, std::size_t count, std::size_t free_text, Each each) {
    const auto whole = [&](std::string_view line) {
        const auto row = split_nvidia_row(line, count, free_text);
        if (!row.empty()) {
            each(row);
        }
    };
    each_line(text, whole, [](std::string_view) {});
}

template <class T>
Json or_null(const std::optional<T>& value) {
    return value ? Json(*value) : Json(nullptr);
}

Json or_null(const std::optional<Bytes>& value) {
    return value ? Json(value->count) : Json(nullptr);
}

}  // namespace

std::vector<std::string> nvidia_stats_argv(const std::string& program) {
    return {
        program, std::string{"--query-gpu="}.append(kStatsFields), "--format=csv,noheader,nounits"
    };
}

std::vector<std::string> nvidia_processes_argv(const std::string& program) {
    return {
        program, std::string{"--query-compute-apps="}.append(kProcessFields),
        "--format=csv,noheader,nounits"
    };
}

std::vector<GpuStats> parse_nvidia_stats(const std::string& stats, const std::string& processes) {
    std::vector<GpuStats> all;
    each_row(stats, 9, 2, [&](const std::vector<std::string>& row) {
        const auto index = nvidia_number(row[0]);
        if (!index || *index < 0.0 || *index > 4096.0) {
            return;
        }
        all.push_back(GpuStats{
            .index = static_cast<unsigned>(*index),
            .uuid = known_text(row[1]),
            .name = known_text(row[2]),
            .utilization_pct = nvidia_number(row[3]),
            .vram_used = mib_field(row[4]),
            .vram_total = mib_field(row[5]),
            .temperature_c = nvidia_number(row[6]),
            .power_w = nvidia_number(row[7]),
            .power_limit_w = nvidia_number(row[8]),
        });
    });
    each_row(processes, 4, 2, [&](const std::vector<std::string>& row) {
        const auto pid = nvidia_number(row[1]);
        const auto gpu = std::ranges::find(all, row[0], &GpuStats::uuid);
        if (gpu != all.end() && pid && *pid > 0.0 && *pid < 1e18) {
            gpu->processes.push_back(
                {.pid = static_cast<std::uint64_t>(*pid),
                 .name = known_text(row[2]),
                 .vram_used = mib_field(row[3])}
            );
        }
    });
    return all;
}

void fill_unified_memory(std::vector<GpuStats>& stats, const HardwareSnapshot& snapshot) {
    for (GpuStats& gpu : stats) {
        const auto known = std::ranges::find_if(snapshot.gpus, [&](const GpuDevice& device) {
            return device.uuid == gpu.uuid && device.unified_memory;
        });
        if (known == snapshot.gpus.end()) {
            continue;
        }
        if (!gpu.vram_total) {
            gpu.vram_total = snapshot.ram;
        }
        if (!gpu.vram_used) {
            Bytes used;
            bool said = false;  // in a container the list is empty although others hold memory
            for (const GpuProcess& process : gpu.processes) {
                said = said || process.vram_used.has_value();
                used = used + process.vram_used.value_or(Bytes{});
            }
            gpu.vram_used = said ? std::optional{used} : std::nullopt;
        }
    }
}

Json to_json(const std::vector<GpuStats>& stats) {
    Json all = Json::array();
    for (const GpuStats& gpu : stats) {
        Json processes = Json::array();
        for (const GpuProcess& process : gpu.processes) {
            processes.push_back(
                {{"pid", process.pid},
                 {"name", process.name},
                 {"vram_used_bytes", or_null(process.vram_used)}}
            );
        }
        all.push_back(
            {{"index", gpu.index},
             {"name", gpu.name},
             {"utilization_pct", or_null(gpu.utilization_pct)},
             {"vram_used_bytes", or_null(gpu.vram_used)},
             {"vram_total_bytes", or_null(gpu.vram_total)},
             {"temperature_c", or_null(gpu.temperature_c)},
             {"power_w", or_null(gpu.power_w)},
             {"power_limit_w", or_null(gpu.power_limit_w)},
             {"processes", std::move(processes)}}
        );
    }
    return all;
}

}  // namespace nova::hardware

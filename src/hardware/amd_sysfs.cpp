// Files of the amdgpu driver below class/drm, and the gfx version of the compute driver's topology.
#include "hardware/amd_sysfs.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "hardware/tool_text.hpp"

namespace nova::hardware {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kAmdVendor = "0x1002";
constexpr std::size_t kMostCards = 64;

std::string text_of(const fs::path& file) {
    std::ifstream in{file};
    std::string text(256, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
    return std::string{trimmed(text)};
}

std::optional<std::uint64_t> number_in(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    return code == std::errc{} && end == text.data() + text.size() ? std::optional{value}
                                                                   : std::nullopt;
}

std::optional<std::uint64_t> number_of(const fs::path& file) {
    return number_in(text_of(file));
}

std::optional<double> scaled(std::optional<std::uint64_t> value, double by) {
    return value ? std::optional{static_cast<double>(*value) / by} : std::nullopt;
}

std::optional<Bytes> bytes_of(const fs::path& file) {
    const auto value = number_of(file);
    return value && *value > 0 ? std::optional{Bytes{*value}} : std::nullopt;
}

std::vector<fs::path> children(const fs::path& folder) {
    std::error_code code;
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator{folder, code}) {
        found.push_back(entry.path());
    }
    std::ranges::sort(found);
    return found;
}

// card0, card1, ... without the connectors (card0-DP-1), by number.
std::map<std::uint64_t, fs::path> cards_in(const fs::path& sys) {
    std::map<std::uint64_t, fs::path> cards;
    for (const fs::path& path : children(sys / "class/drm")) {
        const std::string name = path.filename().string();
        const auto number =
            name.starts_with("card") ? number_in(std::string_view{name}.substr(4)) : std::nullopt;
        if (number && cards.size() < kMostCards && text_of(path / "device/vendor") == kAmdVendor) {
            cards.emplace(*number, path / "device");
        }
    }
    return cards;
}

// 110000 -> gfx1100, 90402 -> gfx942, 90010 -> gfx90a.
std::string gfx_name(std::uint64_t version) {
    return fmt::format("gfx{}{:x}{:x}", version / 10000, version / 100 % 100, version % 100);
}

// Render minor of a card -> its gfx name.
std::map<std::uint64_t, std::string> gfx_names(const fs::path& sys) {
    std::map<std::uint64_t, std::string> names;
    for (const fs::path& node : children(sys / "class/kfd/kfd/topology/nodes")) {
        std::ifstream in{node / "properties"};
        std::string key;
        std::uint64_t value = 0;
        std::uint64_t minor = 0;
        std::uint64_t version = 0;
        while (in >> key >> value) {
            minor = key == "drm_render_minor" ? value : minor;
            version = key == "gfx_target_version" ? value : version;
        }
        if (minor > 0 && version > 0) {
            names.emplace(minor, gfx_name(version));
        }
    }
    return names;
}

std::optional<std::uint64_t> render_minor_of(const fs::path& device) {
    for (const fs::path& node : children(device / "drm")) {
        const std::string name = node.filename().string();
        if (name.starts_with("renderD")) {
            return number_in(std::string_view{name}.substr(7));
        }
    }
    return std::nullopt;
}

// The edge sensor where its label says so, else the first one.
std::optional<double> temperature_of(const fs::path& hwmon) {
    for (int i = 1; i <= 4; ++i) {
        if (text_of(hwmon / fmt::format("temp{}_label", i)) == "edge") {
            return scaled(number_of(hwmon / fmt::format("temp{}_input", i)), 1000.0);
        }
    }
    return scaled(number_of(hwmon / "temp1_input"), 1000.0);
}

void read_sensors(const fs::path& device, GpuStats& stats) {
    const auto sensors = children(device / "hwmon");
    if (sensors.empty()) {
        return;
    }
    const fs::path& hwmon = sensors.front();
    stats.temperature_c = temperature_of(hwmon);
    auto power = number_of(hwmon / "power1_average");
    if (!power) {
        power = number_of(hwmon / "power1_input");
    }
    stats.power_w = scaled(power, 1e6);
    stats.power_limit_w = scaled(number_of(hwmon / "power1_cap"), 1e6);
}

}  // namespace

AmdSysfs read_amd_sysfs(const HostRoots& roots) {
    AmdSysfs found;
    std::error_code code;
    found.compute = fs::exists(roots.root / "dev/kfd", code);
    const auto gfx = gfx_names(roots.sys);
    for (const auto& [number, device] : cards_in(roots.sys)) {
        GpuDevice gpu{
            .index = static_cast<unsigned>(found.gpus.size()),
            .vendor = GpuVendor::amd,
            .name = text_of(device / "product_name"),
            .vram = bytes_of(device / "mem_info_vram_total"),
            .uuid = text_of(device / "unique_id"),
        };
        if (gpu.name.empty()) {
            gpu.name = "AMD GPU";
        }
        if (const auto minor = render_minor_of(device); minor && gfx.contains(*minor)) {
            gpu.compute_capability = gfx.at(*minor);
        }
        GpuStats stats{
            .index = gpu.index,
            .vendor = GpuVendor::amd,
            .uuid = gpu.uuid,
            .name = gpu.name,
            .utilization_pct = scaled(number_of(device / "gpu_busy_percent"), 1.0),
            .vram_total = gpu.vram,
        };
        // Zero bytes in use is an answer, other than for the total.
        if (const auto used = number_of(device / "mem_info_vram_used")) {
            stats.vram_used = Bytes{*used};
        }
        read_sensors(device, stats);
        found.gpus.push_back(std::move(gpu));
        found.stats.push_back(std::move(stats));
    }
    return found;
}

}  // namespace nova::hardware

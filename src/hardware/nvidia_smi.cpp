// Field lists, missing-value tokens and failure texts of nvidia-smi (drivers 470 to 610).
#include "hardware/nvidia_smi.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "hardware/tool_text.hpp"

namespace nova::hardware {
namespace {

constexpr std::string_view kFullFields =
    "index,uuid,name,driver_version,memory.total,compute_cap,mig.mode.current";
constexpr std::string_view kBasicFields = "index,uuid,name,driver_version,memory.total";
constexpr std::size_t kNameField = 2;
constexpr double kMostMib = 1e9;  // a petabyte: anything above is damage

bool is_missing(std::string_view field) {
    constexpr std::array<std::string_view, 9> kMissing{
        "",
        "n/a",
        "not supported",
        "insufficient permissions",
        "unknown error",
        "gpu requires reset",
        "gpu is lost",
        "none",
        "err!",
    };
    field = trimmed(field);
    if (field.starts_with('[') && field.ends_with(']') && field.size() >= 2) {
        field = field.substr(1, field.size() - 2);
    }
    return std::ranges::find(kMissing, lowered(field)) != kMissing.end();
}

std::string text_or_empty(std::string_view field) {
    return is_missing(field) ? std::string{} : std::string{trimmed(field)};
}

// Parts that share the machine's memory and answer [N/A] for their own: GB10 (DGX Spark), and the
// Jetson family, whose integrated device calls itself "Orin (nvgpu)".
bool is_unified(std::string_view name) {
    constexpr std::array<std::string_view, 6> kUnified{"gb10", "nvgpu",  "orin",
                                                       "thor", "xavier", "tegra"};
    const std::string low = lowered(name);
    return std::ranges::any_of(kUnified, [&](std::string_view part) { return low.contains(part); });
}

struct Failure {
    std::string_view text;  // lower case, in either stream
    NvidiaVerdict verdict;
    std::string_view sentence;
};

constexpr std::string_view kLost =
    "A GPU no longer answers its driver (lost): check its power and seating, then reboot.";

constexpr std::array<Failure, 9> kFailures{{
    {"is not a valid field", NvidiaVerdict::unknown_field,
     "nvidia-smi is too old for some of the questions."},
    {"driver/library version mismatch", NvidiaVerdict::version_mismatch,
     "The NVIDIA driver was upgraded while the old one is still loaded: reboot this machine."},
    {"failed to initialize nvml: unknown error", NvidiaVerdict::nvml_unknown,
     "The GPU was taken from this container: recreate the container."},
    {"no devices were found", NvidiaVerdict::no_devices, "The NVIDIA driver runs but finds no GPU."
    },
    {"couldn't communicate with the nvidia driver", NvidiaVerdict::driver_away,
     "nvidia-smi is installed but the NVIDIA driver is not loaded: install the driver or reboot."},
    {"failed to initialize nvml: driver not loaded", NvidiaVerdict::driver_away,
     "nvidia-smi is installed but the NVIDIA driver is not loaded: install the driver or reboot."},
    {"has fallen off the bus", NvidiaVerdict::lost, kLost},
    {"gpu is lost", NvidiaVerdict::lost, kLost},
    // The driver lists the device but cannot open it; "Unknown Error" follows as often as "lost".
    {"unable to determine the device handle", NvidiaVerdict::lost, kLost},
}};

// Exit codes of the tool's manual that say enough without a text.
NvidiaReading reading_of_exit(const CommandOutput& output) {
    switch (output.exit_code) {
    case 127:
        return {NvidiaVerdict::no_tool, {}, "No NVIDIA tool (nvidia-smi) is installed."};
    case 2:
        return {NvidiaVerdict::unknown_field, {}, std::string{kFailures[0].sentence}};
    case 4:
        return {
            NvidiaVerdict::failed,
            {},
            "This user may not ask the NVIDIA driver: check the permissions of /dev/nvidia*."
        };
    case 6:
        return {NvidiaVerdict::no_devices, {}, "The NVIDIA driver runs but finds no GPU."};
    case 9:
        return {NvidiaVerdict::driver_away, {}, std::string{kFailures[4].sentence}};
    case 12:
    case 13:
        return {
            NvidiaVerdict::failed,
            {},
            "nvidia-smi does not find a fitting NVML library: reinstall the NVIDIA driver."
        };
    case 15:
        return {NvidiaVerdict::lost, {}, std::string{kLost}};
    case 18:
        return {NvidiaVerdict::version_mismatch, {}, std::string{kFailures[1].sentence}};
    }
    return {
        NvidiaVerdict::failed, {}, fmt::format("nvidia-smi failed with exit {}.", output.exit_code)
    };
}

std::optional<GpuDevice> parse_row(std::string_view line, NvidiaFields fields) {
    const bool full = fields == NvidiaFields::full;
    const auto row = split_nvidia_row(line, full ? 7 : 5, kNameField);
    const auto index = row.empty() ? std::nullopt : nvidia_number(row[0]);
    // Between the rows the tool prints complaints about cards it cannot open.
    if (!index || *index < 0.0 || *index > 4096.0) {
        return std::nullopt;
    }
    GpuDevice gpu{
        .index = static_cast<unsigned>(*index),
        .vendor = GpuVendor::nvidia,
        .name = text_or_empty(row[kNameField]),
        .driver = text_or_empty(row[3]),
        .uuid = text_or_empty(row[1]),
    };
    if (const auto total = nvidia_number(row[4]); total && *total > 0.0 && *total < kMostMib) {
        gpu.vram = mib(static_cast<std::uint64_t>(*total));
    }
    gpu.unified_memory = !gpu.vram && is_unified(gpu.name);
    if (full) {
        gpu.compute_capability = text_or_empty(row[5]);
        gpu.mig_enabled = lowered(trimmed(row[6])) == "enabled";
    }
    return gpu;
}

// The text between two marks, empty when either is missing.
std::string_view between(std::string_view line, std::string_view from, std::string_view to) {
    const auto begin = line.find(from);
    if (begin == std::string_view::npos) {
        return {};
    }
    line.remove_prefix(begin + from.size());
    const auto end = line.find(to);
    return end == std::string_view::npos ? std::string_view{} : line.substr(0, end);
}

}  // namespace

std::vector<std::string> nvidia_smi_programs() {
    return {"nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi"};
}

std::vector<std::string> nvidia_inventory_argv(const std::string& program, NvidiaFields fields) {
    const auto list = fields == NvidiaFields::full ? kFullFields : kBasicFields;
    return {program, fmt::format("--query-gpu={}", list), "--format=csv,noheader,nounits"};
}

std::vector<std::string> nvidia_list_argv(const std::string& program) {
    return {program, "-L"};
}

std::vector<std::string>
split_nvidia_row(std::string_view line, std::size_t count, std::size_t free_text) {
    std::vector<std::string> parts;
    // The tool puts a blank behind each comma; one without is a decimal comma, or a wrapper's
    // habit.
    const std::string_view separator = line.find(", ") != std::string_view::npos ? ", " : ",";
    for (bool more = true; more;) {
        const auto comma = line.find(separator);
        more = comma != std::string_view::npos;
        parts.emplace_back(line.substr(0, comma));
        line.remove_prefix(more ? comma + separator.size() : line.size());
    }
    if (parts.size() < count || free_text >= count) {
        return {};
    }
    for (std::size_t extra = parts.size() - count; extra > 0; --extra) {
        parts[free_text] += std::string{separator} + parts[free_text + 1];
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(free_text) + 1);
    }
    for (std::string& part : parts) {
        part = std::string{trimmed(part)};
    }
    return parts;
}

std::optional<double> nvidia_number(std::string_view field) {
    if (is_missing(field)) {
        return std::nullopt;
    }
    std::string text{trimmed(field)};
    std::ranges::replace(text, ',', '.');  // a decimal comma: the separators are gone by now
    double value = 0.0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    // Some builds print the unit although nounits was asked.
    const std::string_view rest{end, static_cast<std::size_t>(text.data() + text.size() - end)};
    if (code != std::errc{} || !std::isfinite(value) || (!rest.empty() && rest.front() != ' ')) {
        return std::nullopt;
    }
    return value;
}

NvidiaReading nvidia_verdict(const Result<CommandOutput>& output) {
    if (!output) {
        switch (output.error().code) {
        case ErrorCode::not_found:
            return {NvidiaVerdict::no_tool, {}, "No NVIDIA tool (nvidia-smi) is installed."};
        case ErrorCode::timeout:
            return {
                NvidiaVerdict::timed_out,
                {},
                "nvidia-smi did not answer in time: the NVIDIA driver may hang; reboot if it stays."
            };
        // Every other failure to run it means the same here.
        case ErrorCode::invalid_argument:
        case ErrorCode::unauthorized:
        case ErrorCode::forbidden:
        case ErrorCode::precondition:
        case ErrorCode::conflict:
        case ErrorCode::too_large:
        case ErrorCode::unprocessable:
        case ErrorCode::rate_limited:
        case ErrorCode::exhausted:
        case ErrorCode::budget:
        case ErrorCode::unsupported:
        case ErrorCode::cancelled:
        case ErrorCode::unavailable:
        case ErrorCode::upstream_failed:
        case ErrorCode::runtime_failed:
        case ErrorCode::corrupt:
        case ErrorCode::internal:
            break;
        }
        return {
            NvidiaVerdict::failed,
            {},
            fmt::format("nvidia-smi could not be run: {}", output.error().message)
        };
    }
    const std::string said = lowered(output->out + "\n" + output->err);
    for (const Failure& failure : kFailures) {
        if (said.contains(failure.text)) {
            return {failure.verdict, {}, std::string{failure.sentence}};
        }
    }
    return output->exit_code == 0 ? NvidiaReading{.verdict = NvidiaVerdict::found}
                                  : reading_of_exit(*output);
}

NvidiaReading parse_nvidia_inventory(const Result<CommandOutput>& output, NvidiaFields fields) {
    NvidiaReading reading = nvidia_verdict(output);
    if (!output) {
        return reading;
    }
    // A card that fell off the bus makes the tool complain and fail, yet it lists the others.
    reading.lost = reading.verdict == NvidiaVerdict::lost;
    std::vector<std::string> complaints;
    const auto complain = [&](std::string_view line) {
        complaints.emplace_back(line.substr(0, 200));
    };
    each_line(
        output->out,
        [&](std::string_view line) {
            if (auto gpu = parse_row(line, fields)) {
                reading.gpus.push_back(*std::move(gpu));
            } else {
                complain(line);
            }
        },
        complain
    );
    if (!reading.gpus.empty()) {
        reading.verdict = NvidiaVerdict::found;
        if (!complaints.empty() && reading.sentence.empty()) {
            reading.sentence = fmt::format("nvidia-smi also said: {}", complaints.front());
        }
    } else if (reading.verdict == NvidiaVerdict::found) {
        reading = complaints.empty()
                      ? NvidiaReading{NvidiaVerdict::no_devices, {}, "nvidia-smi lists no GPU."}
                      : NvidiaReading{
                            NvidiaVerdict::failed,
                            {},
                            fmt::format("nvidia-smi said: {}", complaints.front())
                        };
    }
    return reading;
}

void add_mig_devices(std::vector<GpuDevice>& gpus, const Result<CommandOutput>& listing) {
    if (!listing || listing->exit_code != 0) {
        return;
    }
    GpuDevice* card = nullptr;
    const auto each = [&](std::string_view line) {
        if (line.starts_with("GPU ")) {
            const auto uuid = between(line, "(UUID: ", ")");
            const auto it = std::ranges::find(gpus, uuid, &GpuDevice::uuid);
            card = it == gpus.end() ? nullptr : &*it;
        } else if (line.starts_with("MIG ") && card != nullptr) {
            const auto profile = trimmed(between(line, "MIG ", "Device"));
            const auto uuid = between(line, "(UUID: ", ")");
            if (!uuid.empty()) {
                card->mig.push_back({.profile = std::string{profile}, .uuid = std::string{uuid}});
            }
        }
    };
    each_line(listing->out, each, [](std::string_view) {});
}

}  // namespace nova::hardware

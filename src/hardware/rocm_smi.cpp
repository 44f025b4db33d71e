// rocm-smi's JSON: every value a string, keys that changed their capitals between releases.
#include "hardware/rocm_smi.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

#include <nlohmann/json.hpp>

#include "hardware/nvidia_smi.hpp"
#include "hardware/tool_text.hpp"

namespace nova::hardware {
namespace {

template <class Number>
std::optional<Number> whole(std::string_view text) {
    Number value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    return code == std::errc{} && end == text.data() + text.size() ? std::optional{value}
                                                                   : std::nullopt;
}

// Keys compare without case: "Card series" up to ROCm 6.0, "Card Series" since.
std::string value_of(const Json& card, std::string_view key) {
    for (const auto& [name, value] : card.items()) {
        if (lowered(name) == key && value.is_string()) {
            const std::string text = value.get<std::string>();
            return text.starts_with("N/A") ? std::string{} : text;
        }
    }
    return {};
}

std::string card_name(const Json& card) {
    for (const std::string_view key : {"card series", "device name", "card model"}) {
        // ROCm 4 put the PCI vendor number where the name belongs.
        if (auto name = value_of(card, key); !name.empty() && !name.starts_with("0x")) {
            return name;
        }
    }
    return "AMD GPU";
}

std::optional<unsigned> index_of(std::string_view key, const Json& card) {
    return key.starts_with("card") && card.is_object() ? whole<unsigned>(key.substr(4))
                                                       : std::nullopt;
}

// The first of these keys that has a figure.
std::optional<double> figure(const Json& card, std::initializer_list<std::string_view> keys) {
    for (const std::string_view key : keys) {
        if (const auto number = nvidia_number(value_of(card, key))) {
            return number;
        }
    }
    return std::nullopt;
}

std::optional<Bytes> bytes(const Json& card, std::string_view key) {
    const auto count = whole<std::uint64_t>(value_of(card, key));
    return count ? std::optional{Bytes{*count}} : std::nullopt;
}

// Warnings precede the JSON on the same stream. Error: it cannot be read.
Result<Json> document_in(std::string_view text) {
    const auto brace = text.find('{');
    if (brace == std::string_view::npos) {
        return Json::object();
    }
    auto value = parse_json(text.substr(brace), "rocm-smi");
    if (value && !value->is_object()) {
        return fail(ErrorCode::corrupt, "rocm-smi answered no object.");
    }
    return value;
}

std::optional<GpuDevice>
parse_card(const std::string& key, const Json& card, const std::string& driver) {
    const auto index = index_of(key, card);
    if (!index) {
        return std::nullopt;
    }
    GpuDevice gpu{
        .index = *index,
        .vendor = GpuVendor::amd,
        .name = card_name(card),
        .driver = driver,
        .uuid = value_of(card, "unique id"),
        .compute_capability = value_of(card, "gfx version"),
    };
    const auto total = whole<std::uint64_t>(value_of(card, "vram total memory (b)"));
    if (total && *total > 0) {
        gpu.vram = Bytes{*total};
    }
    return gpu;
}

}  // namespace

std::vector<std::string> rocm_inventory_argv() {
    return {
        "rocm-smi",
        "--showid",
        "--showproductname",
        "--showuniqueid",
        "--showdriverversion",
        "--showmeminfo",
        "vram",
        "--json"
    };
}

RocmReading parse_rocm_inventory(const Result<CommandOutput>& output) {
    RocmReading reading;
    if (!output) {
        reading.tool = output.error().code != ErrorCode::not_found;
        reading.sentence = reading.tool ? "rocm-smi did not answer: " + output.error().message
                                        : "No AMD tool (rocm-smi) is installed.";
        return reading;
    }
    reading.tool = output->exit_code != 127;
    if (!reading.tool) {
        reading.sentence = "No AMD tool (rocm-smi) is installed.";
        return reading;
    }
    const auto value = document_in(output->out);
    if (!value) {
        reading.sentence = "rocm-smi answered something that cannot be read.";
        return reading;
    }
    const auto system = value->find("system");
    const std::string driver = system != value->end() && system->is_object()
                                   ? value_of(*system, "driver version")
                                   : std::string{};
    for (const auto& [key, card] : value->items()) {
        if (auto gpu = parse_card(key, card, driver)) {
            reading.gpus.push_back(*std::move(gpu));
        }
    }
    std::ranges::sort(reading.gpus, {}, &GpuDevice::index);  // card10 sorts before card2 as text
    if (reading.gpus.empty()) {
        const bool away = lowered(output->out + output->err).contains("driver not initialized");
        reading.sentence = away ? "rocm-smi is installed but the amdgpu driver is not loaded."
                                : "rocm-smi lists no GPU.";
    }
    return reading;
}

std::vector<std::string> rocm_stats_argv() {
    return {"rocm-smi",      "--showid", "--showproductname", "--showuniqueid", "--showuse",
            "--showmeminfo", "vram",     "--showtemp",        "--showpower",    "--showmaxpower",
            "--json"};
}

std::vector<GpuStats> parse_rocm_stats(const std::string& text) {
    std::vector<GpuStats> all;
    const auto value = document_in(text);
    if (!value) {
        return all;
    }
    for (const auto& [key, card] : value->items()) {
        const auto index = index_of(key, card);
        if (!index) {
            continue;
        }
        all.push_back(GpuStats{
            .index = *index,
            .vendor = GpuVendor::amd,
            .uuid = value_of(card, "unique id"),
            .name = card_name(card),
            .utilization_pct = figure(card, {"gpu use (%)"}),
            .vram_used = bytes(card, "vram total used memory (b)"),
            .vram_total = bytes(card, "vram total memory (b)"),
            // Server parts have no edge sensor.
            .temperature_c = figure(
                card, {"temperature (sensor edge) (c)", "temperature (sensor junction) (c)"}
            ),
            .power_w = figure(
                card,
                {"average graphics package power (w)", "current socket graphics package power (w)"}
            ),
            .power_limit_w = figure(card, {"max graphics package power (w)"}),
        });
    }
    std::ranges::sort(all, {}, &GpuStats::index);
    return all;
}

}  // namespace nova::hardware

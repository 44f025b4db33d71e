// Asking nvidia-smi what cards there are, and reading its many ways to answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hardware/command_runner.hpp"
#include "hardware/hardware_snapshot.hpp"

namespace nova::hardware {

// What the tool's answer means. Only `found` has devices; the others are normal outcomes with a
// sentence, because a machine without NVIDIA is not an error.
enum class NvidiaVerdict : std::uint8_t {
    found,
    no_tool,           // not installed
    no_devices,        // driver there, card not
    driver_away,       // tool there, kernel module not loaded (exit 9), or a stub before WSL's tool
    version_mismatch,  // upgraded without a reboot
    nvml_unknown,      // a container that lost its devices after the host's systemd reloaded
    unknown_field,     // an old driver: ask again with fewer fields
    lost,              // a card fell off the bus or cannot be opened any more
    timed_out,         // a wedged driver
    failed,            // anything else
};

struct NvidiaReading {
    NvidiaVerdict verdict = NvidiaVerdict::failed;
    std::vector<GpuDevice> gpus{};
    std::string sentence{};  // what a person should know; with the remedy where there is one
    bool lost = false;       // a card that was there does not answer, though others may
};

enum class NvidiaFields : std::uint8_t {
    full,
    basic,  // what drivers before 510 know as well: no compute_cap, no MIG
};

// Where the tool may be. Under WSL2 the working one is not always first on PATH.
std::vector<std::string> nvidia_smi_programs();

std::vector<std::string> nvidia_inventory_argv(const std::string& program, NvidiaFields fields);
// `-L`, the only place that names MIG slices.
std::vector<std::string> nvidia_list_argv(const std::string& program);

// What went wrong, or `found` when nothing did; shared by every query of the tool.
NvidiaReading nvidia_verdict(const Result<CommandOutput>& output);
NvidiaReading parse_nvidia_inventory(const Result<CommandOutput>& output, NvidiaFields fields);
// Puts the slices `-L` lists into the cards they are cut from.
void add_mig_devices(std::vector<GpuDevice>& gpus, const Result<CommandOutput>& listing);

// One CSV line cut into `count` fields; commas beyond that belong to the field at `free_text` (a
// device or process name). Empty when there are too few.
std::vector<std::string>
split_nvidia_row(std::string_view line, std::size_t count, std::size_t free_text);
// Empty for every way the tool says "not known": [N/A], [Not Supported], [Unknown Error], ...
std::optional<double> nvidia_number(std::string_view field);

}  // namespace nova::hardware

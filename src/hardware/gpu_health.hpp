// What is wrong with the GPUs an engine was given, and whether starting the engine anew helps.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "hardware/gpu_stats.hpp"
#include "hardware/nvidia_smi.hpp"

namespace nova::hardware {

// One look at all GPUs: their figures, and what those who were asked said.
struct GpuReport {
    std::vector<GpuStats> gpus{};
    std::string source{};       // who gave the figures: host, container, sysfs; empty: nobody
    NvidiaReading host{};       // without its devices
    bool asked_inside = false;  // the engine's container was asked as well
    NvidiaReading inside{};
};

enum class GpuTrouble : std::uint8_t {
    none,
    lost,             // a card stopped answering
    taken,            // the container lost its devices, the host has them
    driver_replaced,  // upgraded without a reboot
    driver_away,      // unloaded, or its tool finds no device any more
    hung,             // the driver does not answer
    on_cpu,           // all seems well, but the engine computes on the CPU
};

std::string_view word(GpuTrouble trouble);

// How the engine that runs was started and what its log says.
struct EngineUse {
    bool planned_gpu = false;  // it was given a GPU
    bool container = false;
    bool on_cpu = false;  // its log says that it found none
    std::string title{};  // "llama.cpp"
};

struct GpuFinding {
    GpuTrouble trouble = GpuTrouble::none;
    bool restart_helps = false;
    std::string sentence{};
    std::string remedy{};

    bool operator==(const GpuFinding&) const = default;
};

// Pure. known says what this machine had when it was last whole.
GpuFinding judge_gpus(const HardwareSnapshot& known, const GpuReport& report, const EngineUse& use);

// {"trouble": word, "detail": ..., "remedy": ..., "restarting": bool}
Json to_json(const GpuFinding& finding);

}  // namespace nova::hardware

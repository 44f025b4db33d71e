// What the kernel says about CPU, memory and disk, with a container's limits taken into account.
#pragma once

#include <filesystem>
#include <optional>

#include "core/units.hpp"
#include "hardware/hardware_snapshot.hpp"

namespace nova::hardware {

// Where to look; tests pass trees of their own.
struct HostRoots {
    std::filesystem::path root = "/";
    std::filesystem::path proc = "/proc";
    std::filesystem::path sys = "/sys";
};

struct HostFacts {
    CpuFacts cpu{};
    std::optional<Bytes> machine_ram{};    // MemTotal
    std::optional<Bytes> memory_limit{};   // the tightest limit of any control group above us
    std::optional<Bytes> ram_available{};  // MemAvailable, or what the limit leaves if less
    bool container = false;                // hints, for words in messages, not for decisions
    bool wsl2 = false;

    // The limit if there is one, else what is built in.
    std::optional<Bytes> usable_ram() const;
};

// Reads a dozen small files; what cannot be read stays empty.
HostFacts read_host_facts(const HostRoots& roots);

// Free for an ordinary user on the file system of the folder, or of its nearest existing parent.
std::optional<Bytes> disk_free(std::filesystem::path folder);

}  // namespace nova::hardware

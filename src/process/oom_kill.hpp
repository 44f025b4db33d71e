// Whether it was the kernel that killed a process because memory ran out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace nova::process {

struct OomSources {
    std::string counters = "/proc/vmstat";
    std::string kernel_log = "/dev/kmsg";
};

// How many processes of this machine were killed so since it started; empty: not told here.
std::optional<std::uint64_t> oom_kills(const OomSources& sources = {});

// For a process that ended by SIGKILL; before: oom_kills() when it was started. The kernel's log
// decides where it may be read; elsewhere a counter that has risen is taken for the answer.
bool killed_for_memory(
    std::int64_t pid, std::optional<std::uint64_t> before, const OomSources& sources = {}
);

}  // namespace nova::process

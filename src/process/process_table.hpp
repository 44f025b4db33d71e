// Who runs on this machine: identities that survive pid reuse, markers in environments, signals.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "process/file_descriptor.hpp"

namespace nova::process {

// A pid is reused, so is a pid with a start time after a reboot; the three together are not.
struct ProcessIdentity {
    std::int64_t pid = 0;
    std::uint64_t start_ticks = 0;  // clock ticks since boot: field 22 of /proc/PID/stat
    std::string boot_id;

    bool operator==(const ProcessIdentity&) const = default;
};

// What /proc/PID/stat says, as far as nova asks.
struct ProcessStat {
    char state = '?';  // R, S, D, Z, X, ... (proc(5))
    std::int64_t group = 0;
    std::int64_t session = 0;
    std::uint64_t start_ticks = 0;
    bool kernel_thread = false;
};

// Robust against a program whose name holds spaces or ')'. Empty: not a stat line.
std::optional<ProcessStat> parse_stat(std::string_view text);

// Of the running kernel; "" where /proc does not say.
const std::string& boot_id();

// Empty when there is no such process, ended ones that nobody reaped included.
std::optional<ProcessIdentity> identity_of(std::int64_t pid);

// Of an own child that is not reaped yet, ended or not.
ProcessIdentity child_identity(std::int64_t pid);

// Still there and not merely waiting to be reaped.
bool alive(const ProcessIdentity& identity);

// A descriptor of exactly this process, readable once it ended; closed when it is gone. A zombie
// still has one.
FileDescriptor open_pidfd(const ProcessIdentity& identity);

// False when it is gone. Never hits another process that got the same pid.
bool send_signal(const ProcessIdentity& identity, int signal);

struct MarkedProcess {
    ProcessIdentity identity;
    std::int64_t session = 0;
    std::string value;  // of the variable
};

// Living processes of this user, in any session, whose environment has KEY=PREFIX...; never the
// caller. The environment is the one the program was started with.
std::vector<MarkedProcess> find_by_marker(std::string_view key, std::string_view prefix);

// Living processes of the session that this process opened, also after it ended itself. Catches
// programs that overwrite their environment (setproctitle does, vLLM's workers call it).
std::vector<ProcessIdentity> session_members(const ProcessIdentity& leader);

// The command line; for people and for finding a port again.
std::vector<std::string> command_line(std::int64_t pid);

}  // namespace nova::process

// Reads /proc and speaks pidfd: identities are compared after the descriptor is open, so that no
// signal ever reaches a stranger.
#include "process/process_table.hpp"

#include <array>
#include <charconv>
#include <ctime>
#include <memory>
#include <string>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace nova::process {
namespace {

// Environments and command lines are bounded by the kernel (ARG_MAX, 2 MiB by default); more is
// not read.
constexpr std::size_t kLargestProcFile = std::size_t{4} << 20U;
constexpr std::uint64_t kKernelThread = 0x00200000;  // PF_KTHREAD, linux/sched.h
// A process in the middle of exec is looked at again for 20 ms; unless the machine is busy it takes
// microseconds.
constexpr int kExecRetries = 200;
constexpr int kLastStepRetries = 10;
constexpr timespec kExecPause{.tv_sec = 0, .tv_nsec = 100'000};

std::optional<std::string> read_proc(const std::string& path) {
    const FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file.open()) {
        return std::nullopt;
    }
    std::string text;
    std::array<char, 8192> buffer;
    while (text.size() < kLargestProcFile) {
        const ssize_t got = ::read(file.get(), buffer.data(), buffer.size());
        if (got < 0) {
            return std::nullopt;  // ESRCH: it ended while it was read
        }
        if (got == 0) {
            break;
        }
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return text;
}

std::optional<ProcessStat> stat_of(std::int64_t pid) {
    const auto text = read_proc(fmt::format("/proc/{}/stat", pid));
    return text ? parse_stat(*text) : std::nullopt;
}

bool ended(const ProcessStat& stat) {
    return stat.state == 'Z' || stat.state == 'X' || stat.state == 'x';
}

template <class T>
bool parse_number(std::string_view text, T& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size();
}

// A process in the middle of exec shows nothing, or what it shares with whoever forked it: for a
// child of ours that is our own. posix_spawn returns a moment before that is over, and whoever took
// such a child for unmarked would overlook an instance. Returns how often to look again.
int exec_retries(std::int64_t pid, const std::string& environment) {
    const auto words = command_line(pid);
    const bool shared = words == command_line(::getpid()) &&
                        environment == read_proc(fmt::format("/proc/{}/environ", ::getpid()));
    if (!shared && !environment.empty()) {
        return 0;
    }
    const auto stat = stat_of(pid);
    if (!stat || ended(*stat) || stat->kernel_thread) {
        return 0;
    }
    // With a command line already, only the very last step of exec is left, or it has really none.
    return words.empty() || shared ? kExecRetries : kLastStepRetries;
}

std::optional<std::string> environment_of(std::int64_t pid, std::string_view wanted) {
    const std::string path = fmt::format("/proc/{}/environ", pid);
    auto text = read_proc(path);
    for (int i = 0; text && text->find(wanted) == std::string::npos; ++i) {
        if (i >= exec_retries(pid, *text)) {
            // What was read may be from before it was seen outside of exec.
            return read_proc(path);
        }
        ::nanosleep(&kExecPause, nullptr);  // tidy-allow(sleep): exec has no event to wait for
        text = read_proc(path);
    }
    return text;
}

struct DirectoryCloser {
    void operator()(DIR* directory) const { ::closedir(directory); }
};

// Every pid of /proc that belongs to this user.
std::vector<std::int64_t> own_pids() {
    std::vector<std::int64_t> pids;
    const std::unique_ptr<DIR, DirectoryCloser> proc{::opendir("/proc")};
    if (!proc) {
        return pids;
    }
    const uid_t user = ::getuid();
    while (const dirent* entry = ::readdir(proc.get())) {
        std::int64_t pid = 0;
        struct stat facts{};
        if (parse_number(std::string_view{entry->d_name}, pid) &&
            ::fstatat(::dirfd(proc.get()), entry->d_name, &facts, 0) == 0 && facts.st_uid == user) {
            pids.push_back(pid);
        }
    }
    return pids;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    while (!text.empty()) {
        const std::size_t end = text.find(separator);
        parts.push_back(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return parts;
}

}  // namespace

std::optional<ProcessStat> parse_stat(std::string_view text) {
    // "PID (NAME) STATE PPID PGRP SESSION ...": NAME is up to 15 bytes of anything, so the last ')'
    // ends it.
    const std::size_t name_end = text.rfind(')');
    if (name_end == std::string_view::npos || name_end + 2 >= text.size()) {
        return std::nullopt;
    }
    text.remove_prefix(name_end + 2);
    while (!text.empty() && text.back() == '\n') {
        text.remove_suffix(1);
    }
    const auto fields = split(text, ' ');  // fields[0] is field 3 of proc(5)
    constexpr std::size_t kFirst = 3;
    if (fields.size() <= 22 - kFirst || fields[0].size() != 1) {
        return std::nullopt;
    }
    ProcessStat stat;
    std::uint64_t flags = 0;
    stat.state = fields[0].front();
    const bool numbers = parse_number(fields[5 - kFirst], stat.group) &&
                         parse_number(fields[6 - kFirst], stat.session) &&
                         parse_number(fields[9 - kFirst], flags) &&
                         parse_number(fields[22 - kFirst], stat.start_ticks);
    stat.kernel_thread = (flags & kKernelThread) != 0;
    return numbers ? std::optional{stat} : std::nullopt;
}

const std::string& boot_id() {
    static const std::string id = [] {
        std::string text = read_proc("/proc/sys/kernel/random/boot_id").value_or(std::string{});
        while (!text.empty() && text.back() == '\n') {
            text.pop_back();
        }
        return text;
    }();
    return id;
}

std::optional<ProcessIdentity> identity_of(std::int64_t pid) {
    const auto stat = stat_of(pid);
    if (!stat || ended(*stat)) {
        return std::nullopt;
    }
    return ProcessIdentity{.pid = pid, .start_ticks = stat->start_ticks, .boot_id = boot_id()};
}

ProcessIdentity child_identity(std::int64_t pid) {
    // A child that nobody has reaped has an entry; in the middle of exec it may not be readable.
    auto stat = stat_of(pid);
    for (int i = 0; !stat && i < kExecRetries; ++i) {
        ::nanosleep(&kExecPause, nullptr);  // tidy-allow(sleep): exec has no event to wait for
        stat = stat_of(pid);
    }
    return {.pid = pid, .start_ticks = stat ? stat->start_ticks : 0, .boot_id = boot_id()};
}

bool alive(const ProcessIdentity& identity) {
    return identity.pid > 0 && identity_of(identity.pid) == identity;
}

FileDescriptor open_pidfd(const ProcessIdentity& identity) {
    if (identity.pid <= 0 || identity.boot_id != boot_id()) {
        return {};
    }
    FileDescriptor descriptor{
        static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(identity.pid), 0))
    };
    if (!descriptor.open()) {
        return {};
    }
    // The descriptor pins whoever has the pid now; if the start time is the one asked for, that is
    // the process meant, and stays so.
    const auto stat = stat_of(identity.pid);
    if (!stat || stat->start_ticks != identity.start_ticks) {
        return {};
    }
    return descriptor;
}

bool send_signal(const ProcessIdentity& identity, int signal) {
    const FileDescriptor descriptor = open_pidfd(identity);
    return descriptor.open() &&
           ::syscall(SYS_pidfd_send_signal, descriptor.get(), signal, nullptr, 0) == 0;
}

std::vector<MarkedProcess> find_by_marker(std::string_view key, std::string_view prefix) {
    const std::string wanted = fmt::format("{}={}", key, prefix);
    std::vector<MarkedProcess> found;
    for (const std::int64_t pid : own_pids()) {
        if (pid == ::getpid()) {
            continue;
        }
        const auto environment = environment_of(pid, wanted);
        if (!environment || environment->find(wanted) == std::string::npos) {
            continue;
        }
        for (const std::string_view variable : split(*environment, '\0')) {
            if (!variable.starts_with(wanted)) {
                continue;
            }
            const auto stat = stat_of(pid);
            if (stat && !ended(*stat)) {
                found.push_back(
                    {.identity = {pid, stat->start_ticks, boot_id()},
                     .session = stat->session,
                     .value = std::string{variable.substr(key.size() + 1)}}
                );
            }
            break;
        }
    }
    return found;
}

std::vector<ProcessIdentity> session_members(const ProcessIdentity& leader) {
    std::vector<ProcessIdentity> members;
    if (leader.pid <= 0 || leader.boot_id != boot_id()) {
        return members;
    }
    // The number of a session is free for reuse only once nobody is in it: a new process of that
    // pid means that the old session is over.
    const auto holder = stat_of(leader.pid);
    if (holder && holder->start_ticks != leader.start_ticks) {
        return members;
    }
    for (const std::int64_t pid : own_pids()) {
        const auto stat = stat_of(pid);
        if (stat && !ended(*stat) && stat->session == leader.pid && pid != ::getpid() &&
            stat->start_ticks >= leader.start_ticks) {
            members.push_back({pid, stat->start_ticks, boot_id()});
        }
    }
    return members;
}

std::vector<std::string> command_line(std::int64_t pid) {
    const auto text = read_proc(fmt::format("/proc/{}/cmdline", pid));
    std::vector<std::string> words;
    if (text) {
        for (const std::string_view word : split(*text, '\0')) {
            words.emplace_back(word);
        }
    }
    return words;
}

}  // namespace nova::process

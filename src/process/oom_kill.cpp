// A counter and the kernel's log, both read without waiting.
#include "process/oom_kill.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "process/file_descriptor.hpp"

namespace nova::process {
namespace {

constexpr std::size_t kRecord = 8192;    // longer than any record the kernel hands out
constexpr int kRecordsAtMost = 100'000;  // a log that grows faster than it is read

// Each read of the kernel's log gives one record. Empty: it may not be read.
std::optional<bool> kernel_log_names(const std::string& path, std::int64_t pid) {
    const FileDescriptor file{::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
    if (!file.open()) {
        return std::nullopt;
    }
    const std::string words = fmt::format("Killed process {} (", pid);
    std::array<char, kRecord> record{};
    for (int i = 0; i < kRecordsAtMost; ++i) {
        const ssize_t size = ::read(file.get(), record.data(), record.size());
        if (size < 0 && (errno == EPIPE || errno == EINTR)) {
            continue;  // EPIPE: records were overwritten meanwhile; the next one follows
        }
        if (size <= 0) {
            if (size < 0 && errno != EAGAIN) {
                return std::nullopt;
            }
            return false;
        }
        if (std::string_view{record.data(), static_cast<std::size_t>(size)}.contains(words)) {
            return true;
        }
    }
    return false;
}

}  // namespace

std::optional<std::uint64_t> oom_kills(const OomSources& sources) {
    std::ifstream in{sources.counters};
    std::string name;
    std::uint64_t value = 0;
    while (in >> name >> value) {
        if (name == "oom_kill") {
            return value;
        }
    }
    return std::nullopt;
}

bool killed_for_memory(
    std::int64_t pid, std::optional<std::uint64_t> before, const OomSources& sources
) {
    const auto now = oom_kills(sources);
    const bool risen = before && now && *now > *before;
    // A rise rules out an old record about another process that had the same number.
    if (before && now && !risen) {
        return false;
    }
    return kernel_log_names(sources.kernel_log, pid).value_or(risen);
}

}  // namespace nova::process

// Plain files, mode 0600 in a folder of 0700: logs may quote what people asked.
#include "runtime/log_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/file_descriptor.hpp"

namespace nova::runtime {
namespace {

std::string from_line_start(std::string text, bool cut) {
    if (const std::size_t line = text.find('\n'); cut && line != std::string::npos) {
        text.erase(0, line + 1);
    }
    return text;
}

}  // namespace

Result<std::string> tail_of_log(const std::string& path, Bytes at_most, std::string_view name) {
    const process::FileDescriptor log{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    struct stat facts{};
    if (!log.open() || ::fstat(log.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
        return fail(ErrorCode::not_found, fmt::format("There is no log of {} any more.", name));
    }
    const auto size = static_cast<std::uint64_t>(facts.st_size);
    const std::uint64_t skipped = size - std::min(size, at_most.count);
    std::string text(size - skipped, '\0');
    std::size_t filled = 0;
    while (filled < text.size()) {
        const ssize_t got = ::pread(
            log.get(), text.data() + filled, text.size() - filled,
            static_cast<off_t>(skipped + filled)
        );
        if (got <= 0) {
            break;
        }
        filled += static_cast<std::size_t>(got);
    }
    text.resize(filled);
    return from_line_start(std::move(text), skipped > 0);
}

std::string tail_of_text(std::string text, Bytes at_most) {
    const bool cut = text.size() > at_most.count;
    if (cut) {
        text.erase(0, text.size() - at_most.count);
    }
    return from_line_start(std::move(text), cut);
}

Result<void> make_log_folder(const std::string& log_path) {
    if (log_path.empty()) {
        return fail(ErrorCode::invalid_argument, "An instance needs the path of its log file.");
    }
    const auto folder = std::filesystem::path{log_path}.parent_path();
    std::error_code error;
    if (std::filesystem::create_directories(folder, error)) {
        ::chmod(folder.c_str(), 0700);
    }
    if (error) {
        return fail(
            ErrorCode::precondition,
            fmt::format("The log folder {} cannot be made: {}.", folder.string(), error.message()),
            "Make room and check who owns the folder above."
        );
    }
    return {};
}

Result<void> write_log(const std::string& path, std::string_view text) {
    if (const auto made = make_log_folder(path); !made) {
        return propagate(made);
    }
    const std::string fresh = path + ".new";
    const process::FileDescriptor file{
        ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)
    };
    bool written = file.open();
    while (written && !text.empty()) {
        const ssize_t size = ::write(file.get(), text.data(), text.size());
        written = size > 0;
        text.remove_prefix(written ? static_cast<std::size_t>(size) : 0);
    }
    if (!written || ::rename(fresh.c_str(), path.c_str()) != 0) {
        return fail(
            ErrorCode::precondition,
            fmt::format("The log {} cannot be written: {}.", path, ::strerror(errno)),
            "Make room and check who owns the folder."
        );
    }
    return {};
}

}  // namespace nova::runtime

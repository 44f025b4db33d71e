// Atomic replacement of a small file, as rename(2) promises it on one file system.
#include "hardware/hardware_file.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "core/json.hpp"

namespace nova::hardware {
namespace {

constexpr std::size_t kMostFileBytes = 4UL << 20U;  // a snapshot is a few KiB

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_{fd} {}

    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    ~Descriptor() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }

    int get() const { return fd_; }

private:
    int fd_;
};

std::unexpected<Error> failed(std::string_view what, const std::filesystem::path& path, int code) {
    const bool full = code == ENOSPC || code == EDQUOT;
    return fail(
        full ? ErrorCode::exhausted : ErrorCode::unavailable,
        fmt::format("Cannot {} {}: {}.", what, path.string(), std::strerror(code)),
        full ? "Free some disk space and try again."
             : "Check that the data directory exists and is writable."
    );
}

int write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written < 0) {
            return errno;
        }
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return 0;
}

int write_and_sync(const std::filesystem::path& path, std::string_view text) {
    const Descriptor file{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)};
    if (file.get() < 0) {
        return errno;
    }
    if (const int code = write_all(file.get(), text); code != 0) {
        return code;
    }
    return ::fsync(file.get()) == 0 ? 0 : errno;
}

// The rename itself must reach the disk too; a folder that cannot be synced (some network file
// systems) is no reason to report a file as unwritten that is there.
void sync_folder(const std::filesystem::path& folder) {
    const Descriptor opened{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (opened.get() >= 0) {
        ::fsync(opened.get());
    }
}

}  // namespace

Result<std::optional<HardwareSnapshot>> load_hardware_file(const std::filesystem::path& path) {
    std::error_code code;
    if (!std::filesystem::exists(path, code) && !code) {
        return std::optional<HardwareSnapshot>{};
    }
    std::ifstream file{path, std::ios::binary};
    if (!file) {
        return failed("read", path, errno == 0 ? EACCES : errno);
    }
    std::string text(kMostFileBytes + 1, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    auto snapshot = [&]() -> Result<HardwareSnapshot> {
        auto value = parse_json(text, path.filename().string());
        return value ? snapshot_from_json(*value) : fail(value.error());
    }();
    if (!snapshot) {
        return fail(
            ErrorCode::corrupt,
            fmt::format("{} cannot be used: {}", path.string(), snapshot.error().message),
            "Run `nova detect` to write it anew."
        );
    }
    return std::optional{*std::move(snapshot)};
}

Result<void>
save_hardware_file(const std::filesystem::path& path, const HardwareSnapshot& snapshot) {
    const std::string text = json_text(to_json(snapshot), 2) + "\n";
    // One nova per data directory holds its lock, but `nova detect` may run beside it.
    const std::filesystem::path beside = fmt::format("{}.{}.tmp", path.string(), ::getpid());
    int code = write_and_sync(beside, text);
    if (code == 0 && ::rename(beside.c_str(), path.c_str()) != 0) {
        code = errno;
    }
    if (code != 0) {
        ::unlink(beside.c_str());
        return failed("write", path, code);
    }
    sync_folder(path.parent_path().empty() ? "." : path.parent_path());
    return {};
}

}  // namespace nova::hardware

// Plain POSIX: the order write, fsync, rename, fsync of the folder is what makes it durable.
#include "catalog/part_file.hpp"

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace nova::catalog {
namespace {

namespace fs = std::filesystem;

std::unexpected<Error> cannot(std::string_view what, const fs::path& path, int error) {
    if (error == ENOSPC || error == EDQUOT) {
        return fail(
            ErrorCode::exhausted,
            fmt::format("The disk is full: {} cannot be {}.", path.string(), what),
            "Make room or choose a smaller model; what was downloaded is kept."
        );
    }
    return fail(
        ErrorCode::precondition,
        fmt::format("{} cannot be {}: {}.", path.string(), what, ::strerror(error)),
        "Check who owns the folder and whether its disk is writable."
    );
}

Result<void> sync_folder(const fs::path& folder) {
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return cannot("opened", folder, errno);
    }
    const bool synced = ::fsync(fd) == 0;
    const int error = errno;
    ::close(fd);
    if (!synced) {
        return cannot("synced", folder, error);
    }
    return {};
}

}  // namespace

ssize_t write_to_disk(int fd, const void* bytes, std::size_t size) {
    return ::write(fd, bytes, size);
}

Result<PartFile> PartFile::open(fs::path path, WriteCall write) {
    std::error_code code;
    fs::create_directories(path.parent_path(), code);
    if (code) {
        return cannot("made", path.parent_path(), code.value());
    }
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_APPEND, 0600);
    if (fd < 0) {
        return cannot("written", path, errno);
    }
    const off_t size = ::lseek(fd, 0, SEEK_END);
    if (size < 0) {
        const int error = errno;
        ::close(fd);
        return cannot("read", path, error);
    }
    return PartFile{std::move(path), fd, static_cast<std::uint64_t>(size), write};
}

PartFile::PartFile(PartFile&& other) noexcept
    : path_{std::move(other.path_)}, fd_{std::exchange(other.fd_, -1)}, size_{other.size_},
      write_{other.write_} {}

PartFile::~PartFile() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Result<void> PartFile::append(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = write_(fd_, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return cannot("written", path_, written == 0 ? ENOSPC : errno);
        }
        size_ += static_cast<std::uint64_t>(written);
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

Result<std::size_t> PartFile::read_at(std::uint64_t offset, std::span<char> into) const {
    const ssize_t got = ::pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0) {
        return cannot("read", path_, errno);
    }
    return static_cast<std::size_t>(got);
}

Result<void> PartFile::clear() {
    if (::ftruncate(fd_, 0) != 0) {
        return cannot("emptied", path_, errno);
    }
    size_ = 0;
    return {};
}

Result<void> PartFile::publish(const fs::path& target) {
    if (::fsync(fd_) != 0 || ::rename(path_.c_str(), target.c_str()) != 0) {
        return cannot("written", target, errno);
    }
    return sync_folder(target.parent_path());
}

Result<void> write_whole(const fs::path& path, std::string_view content) {
    auto file = PartFile::open(path.string() + ".new");
    if (!file) {
        return propagate(file);
    }
    if (const auto emptied = file->clear(); !emptied) {
        return propagate(emptied);
    }
    if (const auto written = file->append(content); !written) {
        return propagate(written);
    }
    return file->publish(path);
}

Result<void> remove_durably(const fs::path& path) {
    if (::unlink(path.c_str()) == 0) {
        return sync_folder(path.parent_path());
    }
    if (errno == ENOENT) {
        return {};
    }
    return cannot("removed", path, errno);
}

Result<Bytes> free_space(const fs::path& folder) {
    std::error_code code;
    const fs::space_info space = fs::space(folder, code);
    if (code) {
        return fail(
            ErrorCode::precondition,
            fmt::format(
                "The room on the disk of {} cannot be told: {}.", folder.string(), code.message()
            )
        );
    }
    return Bytes{space.available};
}

}  // namespace nova::catalog

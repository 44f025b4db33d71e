// Opening what a user named as a model, with a sentence for each thing it can turn out to be.
#include "catalog/byte_source.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace nova::catalog {
namespace {

std::unexpected<Error> open_failed(const std::string& name, int code) {
    switch (code) {
    case ENOENT:
    case ENOTDIR:
        return fail(Error{
            .code = ErrorCode::not_found,
            .message = fmt::format("There is no file {}.", name),
            .word = "model_file_not_found",
            .remedy = "Check the path; a model has to be downloaded before it can be started.",
        });
    case EACCES:
    case EPERM:
        return fail(
            ErrorCode::forbidden, fmt::format("{} may not be read by this user.", name),
            fmt::format("Allow it, for example with `chmod a+r {}`.", name)
        );
    }
    return fail(
        ErrorCode::unprocessable,
        fmt::format("{} cannot be opened: {}.", name, std::strerror(code)),
        "Check the disk it lies on, or fetch the model again."
    );
}

}  // namespace

Result<std::size_t> MemoryBytes::read_at(std::uint64_t offset, std::span<std::byte> into) {
    if (offset >= bytes_.size()) {
        return std::size_t{0};
    }
    const auto from = bytes_.subspan(static_cast<std::size_t>(offset));
    const std::size_t count = std::min(from.size(), into.size());
    std::copy_n(from.begin(), count, into.begin());
    return count;
}

Result<FileBytes> FileBytes::open(const std::filesystem::path& path) {
    const std::string name = path.string();
    // Non-blocking, or a named pipe would hold nova until somebody writes to it.
    const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return open_failed(name, errno);
    }
    struct stat info{};
    const bool known = ::fstat(fd, &info) == 0;
    if (known && S_ISREG(info.st_mode)) {
        return FileBytes{fd, static_cast<std::uint64_t>(info.st_size)};
    }
    ::close(fd);
    if (known && S_ISDIR(info.st_mode)) {
        return fail(
            ErrorCode::unprocessable, fmt::format("{} is a directory, not a model file.", name),
            "Name the .gguf file inside it."
        );
    }
    return fail(
        ErrorCode::unprocessable, fmt::format("{} is not a regular file.", name),
        "Name a .gguf file."
    );
}

FileBytes::FileBytes(FileBytes&& other) noexcept
    : fd_{std::exchange(other.fd_, -1)}, size_{other.size_} {}

FileBytes::~FileBytes() {
    if (fd_ >= 0) {
        ::close(fd_);
    }
}

Result<std::size_t> FileBytes::read_at(std::uint64_t offset, std::span<std::byte> into) {
    std::size_t done = 0;
    while (done < into.size()) {
        const ssize_t got =
            ::pread(fd_, into.data() + done, into.size() - done, static_cast<off_t>(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return fail(
                ErrorCode::unprocessable, fmt::format("reading failed: {}", std::strerror(errno)),
                "Check the disk it lies on."
            );
        }
        if (got == 0) {
            break;
        }
        done += static_cast<std::size_t>(got);
    }
    return done;
}

}  // namespace nova::catalog

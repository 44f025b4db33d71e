// The order write, fsync, rename, fsync of the folder is what makes it durable.
#include "store/files.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace nova::store {
namespace {

class File {
public:
    explicit File(int value) : value_{value} {}

    File(const File&) = delete;
    File& operator=(const File&) = delete;

    ~File() {
        if (value_ >= 0) {
            ::close(value_);
        }
    }

    int get() const { return value_; }

    bool open() const { return value_ >= 0; }

private:
    int value_;
};

std::unexpected<Error> cannot(std::string_view what, const std::string& path, int error) {
    return fail(
        ErrorCode::precondition, fmt::format("{} cannot be {}: {}.", path, what, ::strerror(error)),
        "Make room and check who owns the folder."
    );
}

}  // namespace

Result<void> write_file_atomically(const std::string& path, std::string_view content) {
    const std::string fresh = path + ".new";
    ::unlink(fresh.c_str());
    {
        const File file{::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
        if (!file.open()) {
            return cannot("written", path, errno);
        }
        while (!content.empty()) {
            const ssize_t written = ::write(file.get(), content.data(), content.size());
            if (written <= 0) {
                return cannot("written", path, errno);
            }
            content.remove_prefix(static_cast<std::size_t>(written));
        }
        if (::fsync(file.get()) != 0) {
            return cannot("written", path, errno);
        }
    }
    return rename_durably(fresh, path);
}

Result<void> rename_durably(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) {
        return cannot("written", to, errno);
    }
    const auto parent = std::filesystem::path{to}.parent_path();
    const File folder{
        ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    };
    if (!folder.open() || ::fsync(folder.get()) != 0) {
        return cannot("written", to, errno);
    }
    return {};
}

Result<std::string> read_small_file(const std::string& path, std::size_t limit) {
    const File file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file.open() && errno == ENOENT) {
        return fail(ErrorCode::not_found, fmt::format("There is no file {}.", path));
    }
    if (!file.open()) {
        return cannot("read", path, errno);
    }
    std::string text(limit + 1, '\0');
    std::size_t filled = 0;
    while (filled < text.size()) {
        const ssize_t got = ::read(file.get(), text.data() + filled, text.size() - filled);
        if (got < 0) {
            return cannot("read", path, errno);
        }
        if (got == 0) {
            break;
        }
        filled += static_cast<std::size_t>(got);
    }
    if (filled > limit) {
        return fail(
            ErrorCode::precondition, fmt::format("{} is longer than {} bytes.", path, limit)
        );
    }
    text.resize(filled);
    return text;
}

}  // namespace nova::store

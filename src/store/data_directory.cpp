// flock rather than a pid file: the kernel lets go of it when its holder dies, however it dies.
#include "store/data_directory.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/random.hpp"
#include "core/text.hpp"
#include "store/files.hpp"

namespace nova::store {
namespace {

constexpr std::size_t kInstallIdBytes = 8;  // 16 hex digits
constexpr std::size_t kSecretBytes = 24;    // 48 hex digits
constexpr std::size_t kShortestSecret = 8;
constexpr std::size_t kLongestSmallFile = 4096;
constexpr std::string_view kChooseAnother = "Name another folder with --data-dir.";

// Values found in examples, and what people type to get on with it.
constexpr std::array<std::string_view, 14> kPlaceholders{
    "changeme", "change-me",   "change_me",   "admin",   "secret",      "password", "passw0rd",
    "default",  "placeholder", "nova-secret", "example", "test-secret", "todo",     "12345678",
};

bool is_install_id(std::string_view text) {
    return text.size() == 2 * kInstallIdBytes && std::ranges::all_of(text, [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

std::unexpected<Error> unusable(const std::string& path, std::string_view why) {
    return fail(
        ErrorCode::precondition,
        fmt::format("The data directory {} cannot be used: {}.", path, why),
        fmt::format("Check who owns it and that there is room. {}", kChooseAnother)
    );
}

Result<void> make_folder(const std::string& path) {
    std::error_code error;
    const bool made = std::filesystem::create_directories(path, error);
    if (error) {
        return unusable(path, error.message());
    }
    if (made) {
        ::chmod(path.c_str(), 0700);
    }
    if (!std::filesystem::is_directory(path, error)) {
        return unusable(path, "it is not a folder");
    }
    return {};
}

// The number its holder wrote into it; for people.
std::string holder_of(const std::string& lock_path) {
    const auto text = read_small_file(lock_path, kLongestSmallFile);
    return text ? std::string{trimmed(*text)} : std::string{};
}

Result<int> lock_folder(const std::string& path) {
    const std::string lock_path = path + "/lock";
    const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0) {
        return unusable(path, ::strerror(errno));
    }
    if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
        const int error = errno;
        ::close(lock);
        if (error != EWOULDBLOCK) {
            return unusable(path, ::strerror(error));
        }
        const std::string holder = holder_of(lock_path);
        return fail(
            ErrorCode::precondition,
            fmt::format(
                "The data directory {} is in use by another nova{}.", path,
                holder.empty() ? std::string{} : fmt::format(" (process {})", holder)
            ),
            fmt::format("End that one with nova down. {}", kChooseAnother)
        );
    }
    const std::string text = fmt::format("{}\n", ::getpid());
    if (::ftruncate(lock, 0) != 0 ||
        ::pwrite(lock, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size())) {
        const int error = errno;
        ::close(lock);
        return unusable(path, ::strerror(error));
    }
    return lock;
}

Result<InstallId> install_id_of(const std::string& path) {
    const std::string file = path + "/install-id";
    const auto text = read_small_file(file, kLongestSmallFile);
    if (text && is_install_id(trimmed(*text))) {
        return InstallId{std::string{trimmed(*text)}};
    }
    if (text) {
        // Making a new one would disown every instance that runs under the old.
        return fail(
            ErrorCode::corrupt, fmt::format("{} does not hold 16 hexadecimal digits.", file),
            fmt::format("Restore it from a backup, or remove it when nothing of nova runs.")
        );
    }
    if (text.error().code != ErrorCode::not_found) {
        return propagate(text);
    }
    std::string fresh = random_hex(kInstallIdBytes);
    if (const auto written = write_file_atomically(file, fresh + "\n"); !written) {
        return propagate(written);
    }
    return InstallId{std::move(fresh)};
}

// A copy of the folder has the same id, by which a nova knows its engines: two that ran would end
// each other's. So the id is also an abstract socket's name, which goes with its holder; it is seen
// by all in the same network namespace, so not between two containers. -1 where there are no such
// sockets.
Result<int> claim(const InstallId& id, const std::string& path) {
    const int claimed = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (claimed < 0) {
        return -1;
    }
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string name = fmt::format("nova/{}", id.value);
    std::ranges::copy(name, address.sun_path + 1);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as bind() wants it
    if (::bind(claimed, reinterpret_cast<const sockaddr*>(&address), size) == 0) {
        return claimed;
    }
    const bool in_use = errno == EADDRINUSE;
    ::close(claimed);
    if (!in_use) {
        return -1;
    }
    return fail(
        ErrorCode::precondition,
        fmt::format("The data directory {} is a copy of one that another nova uses.", path),
        fmt::format("Remove {}/install-id: then it has engines of its own.", path)
    );
}

}  // namespace

Result<std::string> resolve_data_directory(const DataDirectoryPlaces& places) {
    std::filesystem::path path;
    if (!places.option.empty()) {
        path = places.option;
    } else if (!places.nova_data_dir.empty()) {
        path = places.nova_data_dir;
    } else if (places.xdg_data_home.starts_with('/')) {
        // The XDG base directory specification tells to ignore relative paths.
        path = std::filesystem::path{places.xdg_data_home} / "nova";
    } else if (!places.home.empty()) {
        path = std::filesystem::path{places.home} / ".local/share/nova";
    } else {
        return fail(
            ErrorCode::precondition, "There is no place for nova's data: HOME is not set.",
            "Name a folder with --data-dir or NOVA_DATA_DIR."
        );
    }
    std::error_code error;
    const auto absolute = std::filesystem::absolute(path, error).lexically_normal();
    if (error) {
        return unusable(path.string(), error.message());
    }
    const std::string text = absolute.string();
    return text.size() > 1 && text.ends_with('/') ? text.substr(0, text.size() - 1) : text;
}

bool is_placeholder_secret(std::string_view value) {
    std::string lower{value};
    std::ranges::transform(lower, lower.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return lower.size() < kShortestSecret || lower.starts_with("your-") ||
           lower.starts_with("your_") || lower.starts_with('<') ||
           lower.find("changeme") != std::string::npos ||
           lower.find("change-me") != std::string::npos ||
           lower.find("placeholder") != std::string::npos ||
           std::ranges::find(kPlaceholders, lower) != kPlaceholders.end();
}

Result<Secret> read_admin_secret(const std::string& directory) {
    const std::string path = directory + "/admin-secret";
    auto text = read_small_file(path, kLongestSmallFile);
    if (!text) {
        return propagate(text);
    }
    struct stat facts{};
    if (::stat(path.c_str(), &facts) != 0 || (facts.st_mode & 077U) != 0) {
        return fail(
            ErrorCode::unauthorized,
            fmt::format("The admin secret in {} can be read by other users.", path),
            fmt::format("Run chmod 600 {}, and change the secret if others may have read it.", path)
        );
    }
    std::string value{trimmed(*text)};
    if (is_placeholder_secret(value)) {
        return fail(
            ErrorCode::unauthorized,
            fmt::format(
                "{} holds no real admin secret: it is empty, short or a placeholder.", path
            ),
            fmt::format("Remove {} and start nova: it writes a random one.", path)
        );
    }
    return Secret{std::move(value)};
}

Result<DataDirectory> DataDirectory::open(std::string path) {
    if (const auto made = make_folder(path); !made) {
        return propagate(made);
    }
    const auto lock = lock_folder(path);
    if (!lock) {
        return propagate(lock);
    }
    DataDirectory directory{std::move(path), *lock};
    auto id = install_id_of(directory.path_);
    if (!id) {
        return propagate(id);
    }
    const auto claimed = claim(*id, directory.path_);
    if (!claimed) {
        return propagate(claimed);
    }
    directory.claim_ = *claimed;
    directory.install_id_ = std::move(*id);
    return directory;
}

DataDirectory::DataDirectory(DataDirectory&& other) noexcept
    : path_{std::move(other.path_)}, lock_{std::exchange(other.lock_, -1)},
      claim_{std::exchange(other.claim_, -1)}, install_id_{std::move(other.install_id_)} {}

DataDirectory& DataDirectory::operator=(DataDirectory&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(lock_, other.lock_);
    std::swap(claim_, other.claim_);
    std::swap(install_id_, other.install_id_);
    return *this;
}

DataDirectory::~DataDirectory() {
    for (const int descriptor : {claim_, lock_}) {
        if (descriptor >= 0) {
            ::close(descriptor);
        }
    }
}

std::string DataDirectory::file(std::string_view name) const {
    return fmt::format("{}/{}", path_, name);
}

Result<Secret> DataDirectory::admin_secret() const {
    auto secret = read_admin_secret(path_);
    if (secret || secret.error().code != ErrorCode::not_found) {
        return secret;
    }
    std::string fresh = random_hex(kSecretBytes);
    if (const auto written = write_file_atomically(file("admin-secret"), fresh + "\n"); !written) {
        return propagate(written);
    }
    return Secret{std::move(fresh)};
}

}  // namespace nova::store

// The folder everything of one nova lives in: found, made, locked, identified.
#pragma once

#include <string>
#include <string_view>

#include "core/result.hpp"
#include "core/secret.hpp"
#include "core/strong.hpp"

namespace nova::store {

// Where the folder may be named, strongest first (decisions.md 2.2); empty: not said there.
struct DataDirectoryPlaces {
    std::string option{};         // --data-dir
    std::string nova_data_dir{};  // NOVA_DATA_DIR
    std::string xdg_data_home{};  // XDG_DATA_HOME: nova/ in it
    std::string home{};           // HOME: .local/share/nova in it
};

// An absolute path. Error precondition: no place says anything.
Result<std::string> resolve_data_directory(const DataDirectoryPlaces& places);

// Content of DIR/admin-secret, for clients of the same machine. Errors: not_found; unauthorized: a
// placeholder, empty, or readable by others.
Result<Secret> read_admin_secret(const std::string& directory);

// Is this a value that a human left in place of a secret: empty, short, "changeme", "your-..."?
bool is_placeholder_secret(std::string_view value);

// Held by the one nova that uses the folder; the lock ends with the object, or with the process.
class DataDirectory {
public:
    // Makes the folder (0700), locks it, and makes its install-id when it has none. Errors:
    // precondition: in use (names the process), a copy of one in use, cannot be made or written;
    // corrupt: install-id.
    static Result<DataDirectory> open(std::string path);
    DataDirectory(DataDirectory&& other) noexcept;
    DataDirectory& operator=(DataDirectory&& other) noexcept;
    DataDirectory(const DataDirectory&) = delete;
    DataDirectory& operator=(const DataDirectory&) = delete;
    ~DataDirectory();

    const std::string& path() const { return path_; }

    const InstallId& install_id() const { return install_id_; }

    // DIR/name
    std::string file(std::string_view name) const;
    // What read_admin_secret gives, after writing a random one when there is no file yet.
    Result<Secret> admin_secret() const;

private:
    DataDirectory(std::string path, int lock) : path_{std::move(path)}, lock_{lock} {}

    std::string path_;
    int lock_ = -1;
    int claim_ = -1;
    InstallId install_id_;
};

}  // namespace nova::store

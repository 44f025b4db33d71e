// A file that grows under another name until it is whole, and then appears under its own at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "core/result.hpp"
#include "core/units.hpp"

namespace nova::catalog {

// write(2), or a stand-in for it where a test wants a full disk.
using WriteCall = ssize_t (*)(int, const void*, std::size_t);
ssize_t write_to_disk(int fd, const void* bytes, std::size_t size);

// All errors: exhausted when the disk or a quota is full, else precondition; with remedies.
class PartFile {
public:
    // Opens or makes it, and the folders above. What it holds already is kept.
    static Result<PartFile> open(std::filesystem::path path, WriteCall write = &write_to_disk);
    PartFile(PartFile&& other) noexcept;
    PartFile& operator=(PartFile&&) = delete;
    ~PartFile();

    std::uint64_t size() const { return size_; }

    Result<void> append(std::string_view bytes);
    // Bytes read; 0 at the end.
    Result<std::size_t> read_at(std::uint64_t offset, std::span<char> into) const;
    Result<void> clear();
    // Synced, renamed over the target, and the rename synced. The object is spent.
    Result<void> publish(const std::filesystem::path& target);

private:
    PartFile(std::filesystem::path path, int fd, std::uint64_t size, WriteCall write)
        : path_{std::move(path)}, fd_{fd}, size_{size}, write_{write} {}

    std::filesystem::path path_;
    int fd_;
    std::uint64_t size_;
    WriteCall write_;
};

// The same at once, for small files. Mode 0600.
Result<void> write_whole(const std::filesystem::path& path, std::string_view content);

// Gone also after a power cut; well when there was none.
Result<void> remove_durably(const std::filesystem::path& path);

// What an ordinary user may still write there. Error precondition.
Result<Bytes> free_space(const std::filesystem::path& folder);

}  // namespace nova::catalog

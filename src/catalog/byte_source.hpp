// Where a model file's bytes come from: a file on disk, or memory in tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "core/result.hpp"

namespace nova::catalog {

class ByteSource {
public:
    virtual ~ByteSource() = default;
    virtual std::uint64_t size() const = 0;
    // Fills the span from this offset; fewer bytes only at the end.
    virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) = 0;
};

class MemoryBytes final : public ByteSource {
public:
    // The bytes must outlive the source.
    explicit MemoryBytes(std::span<const std::byte> bytes) : bytes_{bytes} {}

    std::uint64_t size() const override { return bytes_.size(); }

    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) override;

private:
    std::span<const std::byte> bytes_;
};

// Blocks on the disk: not on a gateway worker.
class FileBytes final : public ByteSource {
public:
    // Errors: not_found (missing), unprocessable (a directory, a device), forbidden (unreadable),
    // each a sentence with a remedy.
    static Result<FileBytes> open(const std::filesystem::path& path);
    FileBytes(FileBytes&& other) noexcept;
    FileBytes& operator=(FileBytes&&) = delete;
    ~FileBytes() override;

    std::uint64_t size() const override { return size_; }

    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> into) override;

private:
    FileBytes(int fd, std::uint64_t size) : fd_{fd}, size_{size} {}

    int fd_;
    std::uint64_t size_;
};

}  // namespace nova::catalog

// A file descriptor with an owner.
#pragma once

#include <utility>

#include <unistd.h>

namespace nova::process {

class FileDescriptor {
public:
    FileDescriptor() = default;

    explicit FileDescriptor(int value) : value_{value} {}

    FileDescriptor(FileDescriptor&& other) noexcept : value_{other.release()} {}

    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        if (this != &other) {
            reset(other.release());
        }
        return *this;
    }

    ~FileDescriptor() { reset(-1); }

    int get() const { return value_; }

    bool open() const { return value_ >= 0; }

    // Gives it away: the caller closes it.
    int release() { return std::exchange(value_, -1); }

    void reset(int value) {
        if (value_ >= 0) {
            ::close(value_);
        }
        value_ = value;
    }

private:
    int value_ = -1;
};

}  // namespace nova::process

// Bytes that came from a connection and nobody has taken yet: a head, then pieces of a body.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace nova::net {

// In the header, because each read and each piece of a body goes through it.
class ReadBuffer {
public:
    std::string_view unread() const { return {bytes_.data() + begin_, end_ - begin_}; }

    bool empty() const { return begin_ == end_; }

    // Of the unread bytes, which their reader may move about.
    char* data() { return bytes_.data() + begin_; }

    void take(std::size_t size) { begin_ += size; }

    void clear() {
        begin_ = 0;
        end_ = 0;
    }

    // Where the next bytes go, behind the unread ones; filled() tells how many came.
    std::span<char> room() {
        if (empty()) {
            clear();
        }
        if (bytes_.empty()) {
            bytes_.resize(kFirstBytes);
        }
        if (end_ == bytes_.size() && begin_ > 0) {
            std::copy(bytes_.data() + begin_, bytes_.data() + end_, bytes_.data());
            end_ -= begin_;
            begin_ = 0;
        }
        if (end_ == bytes_.size()) {
            bytes_.resize(bytes_.size() * 2);  // a long head; find_head_end limits it
        }
        return {bytes_.data() + end_, bytes_.size() - end_};
    }

    void filled(std::size_t size) { end_ += size; }

private:
    static constexpr std::size_t kFirstBytes = 16U * 1024U;

    std::string bytes_;  // [begin_, end_) is unread
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

}  // namespace nova::net

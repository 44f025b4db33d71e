// Reference 7.4: eight bytes of head, [stream, 0, 0, 0, length as four bytes, largest first].
#include "runtime/docker_stream.hpp"

#include <algorithm>

namespace nova::runtime {
namespace {

constexpr std::size_t kHead = 8;
constexpr char kError = 2;

}  // namespace

bool DockerStream::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        if (left_ > 0) {
            const std::size_t size = std::min(left_, bytes.size());
            take(bytes.substr(0, size));
            left_ -= size;
            bytes.remove_prefix(size);
            continue;
        }
        const std::size_t size = std::min(kHead - head_.size(), bytes.size());
        head_ += bytes.substr(0, size);
        bytes.remove_prefix(size);
        if (head_.size() < kHead) {
            break;
        }
        if (head_[0] < 0 || head_[0] > kError || head_[1] != 0 || head_[2] != 0 || head_[3] != 0) {
            return false;
        }
        to_err_ = head_[0] == kError;
        left_ = 0;
        for (std::size_t i = 4; i < kHead; ++i) {
            left_ = left_ * 256 + static_cast<unsigned char>(head_[i]);
        }
        head_.clear();
    }
    return true;
}

void DockerStream::take(std::string_view data) {
    std::string& text = to_err_ && join_ == Join::apart ? err_ : out_;
    text += data;
    // Not on every piece: a text that is full would be moved once for each line.
    if (text.size() > most_ * 2) {
        text.erase(0, text.size() - most_);
        cut_ = true;
    }
}

}  // namespace nova::runtime

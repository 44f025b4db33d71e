// Event borders from the back.
#include "gateway/sse_border.hpp"

namespace nova::gateway {
namespace {

// A line end that finishes at index i: its length (1 for \n or \r, 2 for \r\n), 0 for none.
std::size_t line_end_before(std::string_view bytes, std::size_t end) {
    if (end == 0) {
        return 0;
    }
    if (bytes[end - 1] == '\n') {
        return end >= 2 && bytes[end - 2] == '\r' ? 2 : 1;
    }
    return bytes[end - 1] == '\r' ? 1 : 0;
}

}  // namespace

std::size_t sse_border(std::string_view bytes) {
    for (std::size_t end = bytes.size(); end > 0; --end) {
        const std::size_t last = line_end_before(bytes, end);
        if (last == 0) {
            continue;
        }
        // Inside a \r\n pair nothing ends.
        const bool splits_pair = bytes[end - 1] == '\r' && end < bytes.size() && bytes[end] == '\n';
        if (!splits_pair && line_end_before(bytes, end - last) != 0) {
            return end;
        }
    }
    return 0;
}

SseHold::Split SseHold::split(std::string_view piece) const {
    const std::size_t border = border_ == Border::lines ? piece.rfind('\n') + 1 : sse_border(piece);
    if (held_.empty()) {
        if (piece.size() - border > limit_) {
            return {{}, piece, {}, false};
        }
        return {{}, piece.substr(0, border), piece.substr(border)};
    }
    if (border > 0) {
        return {held_, piece.substr(0, border), piece.substr(border)};
    }
    // The border may stand across the seam: \n held, \n arriving.
    const std::size_t seam = piece.find_first_not_of("\r\n");
    const std::size_t ends = seam == std::string_view::npos ? piece.size() : seam;
    if (ends > 0 && line_end_before(held_, held_.size()) != 0 &&
        !(held_.back() == '\r' && piece[0] == '\n' && ends == 1)) {
        return {held_, piece.substr(0, ends), piece.substr(ends)};
    }
    if (held_.size() + piece.size() > limit_) {
        return {held_, piece, {}, false};
    }
    return {{}, {}, piece};
}

void SseHold::keep(const Split& split) {
    if (!split.held.empty() || !split.now.empty()) {
        held_.clear();
        at_border_ = split.at_border;
    }
    held_.append(split.later);
}

}  // namespace nova::gateway

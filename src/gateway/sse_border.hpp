// Keeps a relayed event stream at event borders, so that an error event can always be appended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace nova::gateway {

// Length of the longest prefix that ends at an event border (an empty line: \n\n, \r\n\r\n, \r\r or
// mixed); 0 when there is none. Scans from the end: usually a handful of bytes.
std::size_t sse_border(std::string_view bytes);

// Splits what arrives into whole events, to be sent now, and a tail that waits for its rest.
// Bytes are never changed. Beyond the limit the tail is let go unfinished: memory is bounded.
class SseHold {
public:
    // lines: every line end is a border (NDJSON), not only an empty line.
    enum class Border : std::uint8_t { events, lines };

    explicit SseHold(std::size_t limit, Border border = Border::events)
        : limit_{limit}, border_{border} {}

    struct Split {
        std::string_view held;   // to be sent first; valid until keep()
        std::string_view now;    // view into piece
        std::string_view later;  // pass to keep() after sending
        bool at_border = true;   // does now end at one; meaningless when it is empty
    };

    Split split(std::string_view piece) const;
    // After sending: forgets what was held when all of it went, and holds the rest.
    void keep(const Split& split);

    std::string_view held() const { return held_; }

    // Does what was sent so far end at a border. Not so behind a tail that was let go.
    bool at_border() const { return at_border_; }

private:
    std::string held_;
    std::size_t limit_;
    Border border_;
    bool at_border_ = true;
};

}  // namespace nova::gateway

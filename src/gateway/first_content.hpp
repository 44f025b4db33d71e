// When a stream may begin to leave: nothing is sent before its first content, so that an error in
// its first events can still become another provider's answer or an honest status.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "dialect/codec.hpp"
#include "gateway/relay_route.hpp"

namespace nova::gateway {

// How a dialect separates the events of a stream: an empty line, or every line end.
enum class Framing : std::uint8_t { events, lines };

Framing framing_of(dialect::Dialect dialect);
// Length of the first whole event, its border included; 0 when there is none yet.
std::size_t first_event(std::string_view bytes, Framing framing);

enum class EventKind : std::uint8_t { neutral, content, error };

// event: one whole event as it came. content: the client would notice if it came twice, or the
// answer is over. Reads no JSON: see json_scan.hpp.
EventKind kind_of_event(dialect::Dialect dialect, Operation operation, std::string_view event);

// Holds the first bytes of a stream back (decisions.md 1.3). A stream whose first piece has content
// is never copied.
class FirstContent {
public:
    static constexpr std::size_t kBytes = 16U * 1024U;
    static constexpr int kEvents = 8;  // comments and pings are none

    FirstContent(dialect::Dialect dialect, Operation operation);

    enum class Verdict : std::uint8_t { hold, commit, failed };
    Verdict take(std::string_view piece);

    // Everything that came; valid as long as the last piece is.
    std::string_view bytes() const { return bytes_; }

    // Has a comment or ping been among it?
    bool kept_alive() const { return kept_alive_; }

    // After failed: the JSON of the event.
    std::string_view error() const { return error_; }

private:
    dialect::Dialect dialect_;
    Operation operation_;
    Framing framing_;
    std::string held_;
    std::string_view bytes_;
    std::string_view error_;
    std::size_t seen_ = 0;
    int events_ = 0;
    bool kept_alive_ = false;
};

}  // namespace nova::gateway

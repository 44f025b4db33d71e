// Server-sent events without I/O: any split of the bytes gives the same events.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace nova::net {

struct SseEvent {
    std::string event;  // "" when the field is missing
    std::string data;   // several data lines joined by '\n'
    std::string id;
    bool has_data = false;
    bool comment_only = false;  // a heartbeat: nothing but comment lines
};

// Line ends \n, \r\n and \r, mixed (WHATWG HTML 9.2.6). Memory is bounded by max_event_bytes.
class SseParser {
public:
    explicit SseParser(std::size_t max_event_bytes = 16U * 1024U * 1024U);

    // Error: too_large when one event exceeds the limit; the parser is unusable after it.
    Result<void> feed(std::string_view bytes);
    // The next complete event, oldest first; empty when more bytes are needed.
    std::optional<SseEvent> next();
    // True at an event border: nothing half-read is buffered.
    bool at_border() const;

private:
    void take_line(std::string_view line);
    void take_field(std::string_view line);
    void dispatch();
    bool fits(std::size_t more);

    std::size_t limit_;
    std::string line_;             // a line whose end has not come
    SseEvent event_;               // what its lines gave so far
    std::size_t event_bytes_ = 0;  // of the lines taken into event_
    bool has_fields_ = false;
    bool has_comment_ = false;
    bool after_cr_ = false;   // a '\n' that follows belongs to the line end already taken
    bool first_line_ = true;  // where a byte order mark may stand
    bool failed_ = false;
    std::deque<SseEvent> ready_;
};

// "event: name\ndata: line\n\n"; a data with line breaks becomes several data lines.
std::string sse_event(std::string_view event, std::string_view data, std::string_view id = {});
std::string sse_comment(std::string_view text);  // ": text\n\n"

}  // namespace nova::net

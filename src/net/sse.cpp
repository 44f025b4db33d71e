// Line by line into the event being built; a complete line in the input is never copied first.
#include "net/sse.hpp"

#include <utility>

namespace nova::net {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

SseParser::SseParser(std::size_t max_event_bytes) : limit_{max_event_bytes} {}

Result<void> SseParser::feed(std::string_view bytes) {
    while (!bytes.empty() && !failed_) {
        if (std::exchange(after_cr_, false) && bytes.front() == '\n') {
            bytes.remove_prefix(1);
            continue;
        }
        const auto end = bytes.find_first_of("\r\n");
        const std::string_view piece = bytes.substr(0, end);
        if (!fits(line_.size() + piece.size())) {
            break;
        }
        if (end == std::string_view::npos) {
            line_.append(piece);
            return {};
        }
        after_cr_ = bytes[end] == '\r';
        bytes.remove_prefix(end + 1);
        if (line_.empty()) {
            take_line(piece);
        } else {
            line_.append(piece);
            take_line(line_);
            line_.clear();
        }
    }
    if (failed_) {
        return fail(ErrorCode::too_large, "An event of the stream is too large.");
    }
    return {};
}

bool SseParser::fits(std::size_t more) {
    failed_ = failed_ || event_bytes_ + more > limit_;
    return !failed_;
}

void SseParser::take_line(std::string_view line) {
    if (std::exchange(first_line_, false) && line.starts_with(kByteOrderMark)) {
        line.remove_prefix(kByteOrderMark.size());
    }
    event_bytes_ += line.size() + 1;
    if (line.empty()) {
        dispatch();
        return;
    }
    if (line.front() == ':') {
        has_comment_ = true;
        return;
    }
    has_fields_ = true;
    take_field(line);
}

void SseParser::take_field(std::string_view line) {
    const auto colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
    if (value.starts_with(' ')) {
        value.remove_prefix(1);
    }
    if (name == "data") {
        if (event_.has_data) {
            event_.data.push_back('\n');
        }
        event_.data.append(value);
        event_.has_data = true;
    } else if (name == "event") {
        event_.event = value;
    } else if (name == "id" && value.find('\0') == std::string_view::npos) {
        event_.id = value;
    }
    // Other fields ("retry") mean nothing to a relay; WHATWG says to ignore unknown ones.
}

void SseParser::dispatch() {
    if (has_fields_ || has_comment_) {
        event_.comment_only = !has_fields_;
        ready_.push_back(std::exchange(event_, {}));
    }
    event_bytes_ = 0;
    has_fields_ = false;
    has_comment_ = false;
}

std::optional<SseEvent> SseParser::next() {
    if (ready_.empty()) {
        return std::nullopt;
    }
    std::optional<SseEvent> event{std::move(ready_.front())};
    ready_.pop_front();
    return event;
}

bool SseParser::at_border() const {
    return line_.empty() && !has_fields_ && !has_comment_;
}

std::string sse_event(std::string_view event, std::string_view data, std::string_view id) {
    // A line break in a name would start a field of its own (trap 100).
    const auto append_line = [](std::string& out, std::string_view field, std::string_view value) {
        out.append(field).append(": ");
        out.append(value.substr(0, value.find_first_of(std::string_view{"\r\n\0", 3})));
        out.push_back('\n');
    };
    std::string out;
    out.reserve(event.size() + data.size() + id.size() + 32);
    if (!event.empty()) {
        append_line(out, "event", event);
    }
    if (!id.empty()) {
        append_line(out, "id", id);
    }
    while (true) {
        const auto end = data.find_first_of("\r\n");
        out.append("data: ").append(data.substr(0, end)).push_back('\n');
        if (end == std::string_view::npos) {
            break;
        }
        data.remove_prefix(data.substr(end).starts_with("\r\n") ? end + 2 : end + 1);
    }
    out.push_back('\n');
    return out;
}

std::string sse_comment(std::string_view text) {
    std::string out{": "};
    out.append(text.substr(0, text.find_first_of("\r\n")));
    out.append("\n\n");
    return out;
}

}  // namespace nova::net

// Any bytes as an event stream: every split gives the same events, and events survive writing.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "net/sse.hpp"

namespace nova::net {
namespace {

constexpr std::size_t kLimit = 512;

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

struct Parsed {
    bool failed = false;
    bool at_border = false;
    std::vector<SseEvent> events;
};

Parsed parse(std::string_view text, std::size_t piece) {
    SseParser parser{kLimit};
    Parsed result;
    while (!text.empty() && !result.failed) {
        result.failed = !parser.feed(text.substr(0, piece));
        text.remove_prefix(std::min(text.size(), piece));
        while (auto event = parser.next()) {
            result.events.push_back(*std::move(event));
        }
    }
    result.at_border = parser.at_border();
    return result;
}

bool same(const SseEvent& a, const SseEvent& b) {
    return a.event == b.event && a.data == b.data && a.id == b.id && a.has_data == b.has_data &&
           a.comment_only == b.comment_only;
}

}  // namespace
}  // namespace nova::net

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace nova::net;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const Parsed whole = parse(text, size + 1);
    for (const std::size_t piece : {1U, 2U, 7U}) {
        const Parsed split = parse(text, piece);
        require(split.failed == whole.failed && split.events.size() == whole.events.size());
        require(whole.failed || split.at_border == whole.at_border);
        for (std::size_t i = 0; i < whole.events.size(); ++i) {
            require(same(split.events[i], whole.events[i]));
        }
    }
    for (const SseEvent& event : whole.events) {
        require(event.data.size() <= kLimit);
        if (!event.has_data) {
            continue;
        }
        const Parsed again = parse(sse_event(event.event, event.data, event.id), 1U << 20U);
        // The names of the fields may take a short event over the limit.
        require(again.failed || (again.events.size() == 1));
        if (!again.failed && event.event.find('\0') == std::string::npos) {
            require(again.events[0].data == event.data && again.events[0].event == event.event);
        }
    }
    return 0;
}

// Requests and answers of the three dialects, as checks write and read them.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "conform/probe.hpp"
#include "core/json.hpp"

namespace nova::conform {

std::string chat_path(Dialect dialect);
std::string models_path(Dialect dialect);

// A small chat of the probe's dialect, not streamed, temperature 0.
Json chat(const Probe& probe, std::string_view prompt, unsigned max_tokens = 8);
std::string streamed(Json body);
Task<Reply> send_chat(Probe& probe, std::string body);

// The body as JSON; null when it is none.
Json json_of(const Reply& reply);

// A member or element, null when it is not there or the value is of another kind.
const Json& at(const Json& value, std::string_view key);
const Json& at(const Json& value, std::size_t index);
// The same along a path of keys.
const Json& within(const Json& value, std::initializer_list<std::string_view> keys);
std::string text_at(const Json& value, std::string_view key);
bool is_count(const Json& value);  // an integer, not negative
// Cut and printable, for what was observed.
std::string shown(const Json& value);

// The OpenAI error in an answer, as its clients read it: status and a non-empty error.message.
bool is_refusal(const Reply& reply);

// Bytes of a stream, taken apart strictly.
struct Recording {
    struct Event {
        std::string name;
        std::string data;
    };

    std::vector<Event> events{};
    std::string broken{};  // the first thing that is no event stream; empty when all is well
};

Recording read_events(std::string_view body);
// The objects of the data lines, [DONE] left out; what is no object is left out too.
std::vector<Json> chunks_of(const Recording& recording);

// One object a line. broken: the same as above.
struct Lines {
    std::vector<std::string> lines{};
    std::string broken{};
};

Lines read_lines(std::string_view body);

bool is_utf8(std::string_view text);

// A gzip file with that content, stored (RFC 1952, RFC 1951 3.2.4).
std::string gzipped(std::string_view content);

}  // namespace nova::conform

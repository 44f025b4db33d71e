// JSON in and out, events and lines read without forgiveness.
#include "conform/talk.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"

namespace nova::conform {
namespace {

constexpr std::size_t kShown = 160;
constexpr std::array<std::string_view, 4> kFieldNames{"data", "event", "id", "retry"};

const Json& nothing() {
    static const Json kNull;
    return kNull;
}

// The next line without its end ("\n", "\r\n" or "\r"); false when the end is missing.
std::pair<std::string_view, bool> take_line(std::string_view& text) {
    const auto end = text.find_first_of("\r\n");
    const std::string_view line = text.substr(0, end);
    if (end == std::string_view::npos) {
        text = {};
        return {line, false};
    }
    const bool both = text[end] == '\r' && end + 1 < text.size() && text[end + 1] == '\n';
    text.remove_prefix(end + (both ? 2 : 1));
    return {line, true};
}

std::string quoted(std::string_view line) {
    std::string text{line.substr(0, 60)};
    std::ranges::replace_if(text, [](char c) { return c >= 0 && c < ' '; }, ' ');
    return "\"" + text + (line.size() > 60 ? "...\"" : "\"");
}

std::uint32_t crc_of(std::string_view bytes) {
    std::uint32_t crc = 0xFFFFFFFFU;
    for (const char c : bytes) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit) {
            crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
        }
    }
    return ~crc;
}

void append_little_endian(std::string& out, std::uint32_t value, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) {
        out += static_cast<char>((value >> (8U * i)) & 0xFFU);
    }
}

}  // namespace

std::string chat_path(Dialect dialect) {
    switch (dialect) {
    case Dialect::openai:
        return "/v1/chat/completions";
    case Dialect::anthropic:
        return "/v1/messages";
    case Dialect::ollama:
        return "/api/chat";
    }
    return {};
}

std::string models_path(Dialect dialect) {
    return dialect == Dialect::ollama ? "/api/tags" : "/v1/models";
}

Json chat(const Probe& probe, std::string_view prompt, unsigned max_tokens) {
    Json message{{"role", "user"}, {"content", prompt}};
    Json body{{"model", probe.target().model}, {"messages", Json::array({std::move(message)})}};
    if (probe.dialect == Dialect::ollama) {
        body["stream"] = false;
        body["options"] = {{"num_predict", max_tokens}, {"temperature", 0}};
    } else {
        body["max_tokens"] = max_tokens;
        body["temperature"] = 0;
    }
    return body;
}

std::string streamed(Json body) {
    body["stream"] = true;
    return json_text(body);
}

Task<Reply> send_chat(Probe& probe, std::string body) {
    co_return co_await probe.post(chat_path(probe.dialect), std::move(body));
}

Json json_of(const Reply& reply) {
    auto value = parse_json(reply.body, "The answer");
    return value ? *std::move(value) : Json();
}

const Json& at(const Json& value, std::string_view key) {
    if (!value.is_object()) {
        return nothing();
    }
    const auto found = value.find(key);
    return found == value.end() ? nothing() : *found;
}

const Json& at(const Json& value, std::size_t index) {
    return value.is_array() && index < value.size() ? value[index] : nothing();
}

const Json& within(const Json& value, std::initializer_list<std::string_view> keys) {
    const Json* here = &value;
    for (const std::string_view key : keys) {
        here = &at(*here, key);
    }
    return *here;
}

std::string text_at(const Json& value, std::string_view key) {
    const Json& found = at(value, key);
    return found.is_string() ? found.get<std::string>() : std::string{};
}

bool is_count(const Json& value) {
    return value.is_number_unsigned() ||
           (value.is_number_integer() && value.get<std::int64_t>() >= 0);
}

std::string shown(const Json& value) {
    std::string text = json_text(value);
    if (text.size() > kShown) {
        text.resize(kShown);
        text += "...";
    }
    return text;
}

bool is_refusal(const Reply& reply) {
    return reply.status >= 400 && reply.status < 500 &&
           !text_at(at(json_of(reply), "error"), "message").empty();
}

Recording read_events(std::string_view body) {
    Recording recording;
    const auto complain = [&recording](std::string sentence) {
        if (recording.broken.empty()) {
            recording.broken = std::move(sentence);
        }
    };
    Recording::Event event;
    bool open = false;  // fields came since the last blank line
    bool has_data = false;
    while (!body.empty()) {
        const auto [line, ended] = take_line(body);
        if (!ended) {
            complain(fmt::format("the last line has no end: {}", quoted(line)));
        }
        if (line.empty()) {
            if (has_data) {
                recording.events.push_back(std::move(event));
            }
            event = {};
            open = has_data = false;
            continue;
        }
        if (line.front() == ':') {
            continue;  // a comment
        }
        const std::string_view name = line.substr(0, line.find(':'));
        if (std::ranges::find(kFieldNames, name) == kFieldNames.end()) {
            complain(fmt::format("a line that is no field: {}", quoted(line)));
            continue;
        }
        std::string_view value = line.substr(std::min(name.size() + 1, line.size()));
        value.remove_prefix(value.starts_with(' ') ? 1 : 0);
        open = true;
        if (name == "data") {
            event.data.append(has_data ? "\n" : "").append(value);
            has_data = true;
        } else if (name == "event") {
            event.name = value;
        }
    }
    if (open) {
        complain("no blank line behind the last event");
    }
    return recording;
}

std::vector<Json> chunks_of(const Recording& recording) {
    std::vector<Json> chunks;
    for (const Recording::Event& event : recording.events) {
        auto chunk = parse_json(event.data, "The event");
        if (chunk && chunk->is_object()) {
            chunks.push_back(*std::move(chunk));
        }
    }
    return chunks;
}

Lines read_lines(std::string_view body) {
    Lines result;
    while (!body.empty()) {
        const auto end = body.find('\n');
        const std::string_view line = body.substr(0, end);
        body.remove_prefix(end == std::string_view::npos ? body.size() : end + 1);
        if (end == std::string_view::npos && result.broken.empty()) {
            result.broken = "the last line has no end";
        }
        const auto value = parse_json(line, "The line");
        if ((!value || !value->is_object()) && result.broken.empty()) {
            result.broken = "a line that is no JSON object: " + quoted(line);
        }
        result.lines.emplace_back(line);
    }
    return result;
}

bool is_utf8(std::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        const std::size_t size = lead < 0x80                    ? 1
                                 : lead >= 0xC2 && lead <= 0xDF ? 2
                                 : lead >= 0xE0 && lead <= 0xEF ? 3
                                 : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                                : 0;
        if (size == 0 || i + size > text.size()) {
            return false;
        }
        for (std::size_t k = 1; k < size; ++k) {
            if ((static_cast<unsigned char>(text[i + k]) & 0xC0U) != 0x80U) {
                return false;
            }
        }
        i += size;
    }
    return true;
}

std::string gzipped(std::string_view content) {
    constexpr std::size_t kBlock = 0xFFFF;  // longest stored block
    std::string out{"\x1f\x8b\x08\0\0\0\0\0\0\xff", 10};
    std::string_view rest = content;
    do {
        const std::string_view block = rest.substr(0, kBlock);
        rest.remove_prefix(block.size());
        out += rest.empty() ? '\x01' : '\0';
        const auto size = static_cast<std::uint32_t>(block.size());
        append_little_endian(out, size, 2);
        append_little_endian(out, ~size, 2);
        out += block;
    } while (!rest.empty());
    append_little_endian(out, crc_of(content), 4);
    append_little_endian(out, static_cast<std::uint32_t>(content.size()), 4);
    return out;
}

}  // namespace nova::conform

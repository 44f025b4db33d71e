// Parsing, quoting and replacing a .env file.
#include "config/env_file.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "config/settings.hpp"
#include "core/text.hpp"
#include "store/files.hpp"

namespace nova::config {
namespace {

// contract.md 3; foreign profiles in the same variable are somebody else's.
constexpr std::array<std::string_view, 4> kOwnProfiles{
    "local-ollama", "local-vllm", "local-sglang", "local-llamacpp"
};

bool is_name(std::string_view name) {
    const auto letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    };
    return !name.empty() && letter(name.front()) &&
           std::ranges::all_of(name, [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

// Value as Compose reads it: single quotes literal, double quotes with escapes, bare up to " #".
std::string unquoted(std::string_view text) {
    if (text.size() >= 2 && text.front() == '\'') {
        const auto end = text.find('\'', 1);
        return std::string{text.substr(1, end == std::string_view::npos ? end : end - 1)};
    }
    if (text.size() >= 2 && text.front() == '"') {
        std::string out;
        for (std::size_t i = 1; i < text.size() && text[i] != '"'; ++i) {
            if (text[i] == '\\' && i + 1 < text.size()) {
                ++i;
            }
            out += text[i];
        }
        return out;
    }
    const auto comment = text.find(" #");
    return std::string{trimmed(text.substr(0, comment))};
}

std::string quoted_text(const std::string& value) {
    constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                        "0123456789_-.,:/@+=%";
    if (value.find_first_not_of(kPlain) == std::string::npos) {
        return value;
    }
    if (value.find('\'') == std::string::npos) {
        return "'" + value + "'";  // literal: Compose would expand $ in double quotes
    }
    std::string out = "\"";
    for (const char c : value) {
        if (c == '"' || c == '\\' || c == '$') {
            out += '\\';
        }
        out += c;
    }
    return out + "\"";
}

}  // namespace

Result<EnvFile> EnvFile::read(const std::filesystem::path& path) {
    std::error_code error;
    if (!std::filesystem::exists(path, error)) {
        return EnvFile{};
    }
    std::ifstream file{path};
    std::ostringstream text;
    text << file.rdbuf();
    if (!file || text.fail()) {
        return fail(
            ErrorCode::unavailable, fmt::format("{} cannot be read.", path.string()),
            "Check who owns it."
        );
    }
    return parse(text.str());
}

EnvFile EnvFile::parse(std::string_view text) {
    EnvFile file;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        file.lines_.push_back(parse_line(text.substr(0, end)));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return file;
}

EnvFile::Line EnvFile::parse_line(std::string_view raw) {
    Line line{.raw = std::string{raw}, .name = {}, .value = {}};
    std::string_view rest = trimmed(raw);
    constexpr std::string_view kExport = "export ";
    if (rest.starts_with(kExport)) {
        rest = trimmed(rest.substr(kExport.size()));
    }
    const auto equals = rest.find('=');
    if (rest.starts_with('#') || equals == std::string_view::npos) {
        return line;
    }
    const std::string_view name = trimmed(rest.substr(0, equals));
    if (is_name(name)) {
        line.name = name;
        line.value = unquoted(trimmed(rest.substr(equals + 1)));
    }
    return line;
}

std::optional<std::string> EnvFile::get(std::string_view name) const {
    for (auto line = lines_.rbegin(); line != lines_.rend(); ++line) {
        if (line->name == name) {
            return line->value;
        }
    }
    return std::nullopt;
}

Result<void> EnvFile::set(const std::string& name, const std::string& value) {
    if (!is_name(name)) {
        return fail(
            ErrorCode::unprocessable, fmt::format("\"{}\" is not a variable's name.", name)
        );
    }
    if (value.find_first_of(std::string_view{"\r\n\0", 3}) != std::string::npos) {
        return fail(
            ErrorCode::unprocessable,
            fmt::format("The value of {} must not contain a line break.", name)
        );
    }
    Line line{.raw = name + "=" + quoted_text(value), .name = name, .value = value};
    const auto old = std::find_if(lines_.rbegin(), lines_.rend(), [&name](const Line& row) {
        return row.name == name;
    });
    if (old != lines_.rend()) {
        *old = std::move(line);
    } else {
        lines_.push_back(std::move(line));
    }
    return {};
}

std::string EnvFile::text() const {
    std::string out;
    for (const Line& line : lines_) {
        out += line.raw + "\n";
    }
    return out;
}

Result<void> EnvFile::write(const std::filesystem::path& path) const {
    return store::write_file_atomically(path.string(), text());
}

Result<void> set_mode(EnvFile& file, std::string_view mode, std::string_view backend) {
    const SettingRow* row = find_setting("mode");
    if (const auto valid = setting_from_text(*row, mode); !valid) {
        return propagate(valid);
    }
    std::string profiles;
    const std::string old = file.get("COMPOSE_PROFILES").value_or("");
    std::string_view rest = old;
    while (!rest.empty()) {
        const auto comma = std::min(rest.find(','), rest.size());
        const std::string_view token = trimmed(rest.substr(0, comma));
        if (!token.empty() && std::ranges::find(kOwnProfiles, token) == kOwnProfiles.end()) {
            profiles += (profiles.empty() ? "" : ",") + std::string{token};
        }
        rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    const std::string own = fmt::format("local-{}", backend);
    if (mode != "cloud-only" && std::ranges::find(kOwnProfiles, own) != kOwnProfiles.end()) {
        profiles += (profiles.empty() ? "" : ",") + own;
    }
    for (const auto& [name, value] :
         {std::pair{"NOVA_INFERENCE_MODE", std::string{mode}},
          std::pair{"COMPOSE_PROFILES", profiles},
          std::pair{"LLM_ROUTING_STRATEGY", std::string{routing_strategy_of(mode)}}}) {
        if (const auto set = file.set(name, value); !set) {
            return propagate(set);
        }
    }
    return {};
}

}  // namespace nova::config

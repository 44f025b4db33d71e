// spdlog behind a narrow face: logfmt lines to standard error.
#include "core/log.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <utility>

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace nova {
namespace {

constexpr std::size_t kRecentLines = 200;
constexpr std::size_t kShortestSecret = 6;
constexpr std::string_view kRedacted = "[redacted]";

// What introduces a secret in headers, URLs and settings of the engines and clouds nova talks to.
constexpr std::array<std::string_view, 12> kPrefixes{
    "Bearer ",    "bearer ",     "sk-",      "hf_",       "api_key=", "api-key=",
    "x-api-key:", "X-Api-Key: ", "api_key:", "password=", "token=",   "gsk_",
};

bool secret_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '+' || c == '/' || c == '=' || c == '~';
}

void redact_known(std::string& text, const std::string& secret) {
    for (std::size_t at = text.find(secret); at != std::string::npos;
         at = text.find(secret, at + kRedacted.size())) {
        text.replace(at, secret.size(), kRedacted);
    }
}

void redact_after(std::string& text, std::string_view prefix) {
    std::size_t at = text.find(prefix);
    while (at != std::string::npos) {
        const std::size_t begin = at + prefix.size();
        std::size_t end = begin;
        while (end < text.size() && secret_character(text[end])) {
            ++end;
        }
        // "sk-" inside a word such as "task-force" is no key: keys are long.
        if (end - begin >= 8) {
            text.replace(begin, end - begin, kRedacted);
            end = begin + kRedacted.size();
        }
        at = text.find(prefix, std::max(end, at + 1));
    }
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
    switch (level) {
    case LogLevel::debug:
        return spdlog::level::debug;
    case LogLevel::info:
        return spdlog::level::info;
    case LogLevel::warn:
        return spdlog::level::warn;
    case LogLevel::error:
        return spdlog::level::err;
    }
    return spdlog::level::err;
}

// logfmt: bare where harmless, quoted else, so that a line break never forges a second event.
bool is_harmless(std::string_view value) {
    return !value.empty() && std::ranges::all_of(value, [](char c) {
        return c > ' ' && c != '"' && c != '=' && c != '\\' && c != '\x7f';
    });
}

std::string quoted_text(std::string_view value) {
    std::string out = "\"";
    for (const char c : value) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (static_cast<unsigned char>(c) < 0x20 || c == '\x7f') {
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        } else {
            out += c;
        }
    }
    return out + '"';
}

}  // namespace

void Redactor::add_secret(std::string secret) {
    if (secret.size() < kShortestSecret) {
        return;
    }
    const std::scoped_lock lock{mutex_};
    if (std::ranges::find(secrets_, secret) == secrets_.end()) {
        secrets_.push_back(std::move(secret));
    }
}

std::string Redactor::clean(std::string_view text) const {
    std::string out{text};
    {
        const std::scoped_lock lock{mutex_};
        for (const std::string& secret : secrets_) {
            redact_known(out, secret);
        }
    }
    for (const std::string_view prefix : kPrefixes) {
        redact_after(out, prefix);
    }
    return out;
}

struct Log::Writer {
    std::unique_ptr<spdlog::logger> logger;
    mutable std::mutex mutex;
    std::deque<std::string> recent;
};

Log::Log(Sink sink, LogLevel level) : writer_{std::make_unique<Writer>()} {
    if (sink == Sink::standard_error) {
        auto out = std::make_shared<spdlog::sinks::stderr_sink_mt>();
        writer_->logger = std::make_unique<spdlog::logger>("nova", std::move(out));
        writer_->logger->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
        writer_->logger->set_level(to_spdlog(level));
    }
}

Log::~Log() = default;

void Log::write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
    std::string line{event};
    for (const LogField& field : fields) {
        line.append(" ").append(field.key).append("=");
        if (is_harmless(field.value)) {
            line += field.value;
        } else {
            line += quoted_text(redactor_.clean(field.value));  // a secret may hold what is escaped
        }
    }
    // Once for all harmless ones: most lines are requests, and have a dozen of them.
    line = redactor_.clean(line);
    if (writer_->logger) {
        writer_->logger->log(to_spdlog(level), "{}", line);
    }
    const std::scoped_lock lock{writer_->mutex};
    writer_->recent.push_back(std::move(line));
    if (writer_->recent.size() > kRecentLines) {
        writer_->recent.pop_front();
    }
}

void Log::debug(std::string_view event, std::initializer_list<LogField> fields) {
    write(LogLevel::debug, event, fields);
}

void Log::info(std::string_view event, std::initializer_list<LogField> fields) {
    write(LogLevel::info, event, fields);
}

void Log::warn(std::string_view event, std::initializer_list<LogField> fields) {
    write(LogLevel::warn, event, fields);
}

void Log::error(std::string_view event, std::initializer_list<LogField> fields) {
    write(LogLevel::error, event, fields);
}

std::vector<std::string> Log::recent() const {
    const std::scoped_lock lock{writer_->mutex};
    return {writer_->recent.begin(), writer_->recent.end()};
}

}  // namespace nova

// Logs are events with fields, one line each; secrets are blacked out before a line is written.
#pragma once

#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace nova {

// Replaces known secrets and what looks like one (bearer tokens, sk-…, hf_…, key=… in URLs) by
// "[redacted]". Used for nova's log, engine logs, pull errors and excerpts (decisions.md 4.7).
class Redactor {
public:
    // From now on this text never appears in clear. Values shorter than 6 bytes are ignored: they
    // would black out ordinary words. Thread-safe.
    void add_secret(std::string secret);
    std::string clean(std::string_view text) const;

private:
    mutable std::mutex mutex_;
    std::vector<std::string> secrets_;
};

struct LogField {
    std::string_view key;
    std::string value;
};

// Thread-safe; constructed once in app and handed down by reference.
class Log {
public:
    enum class Sink { standard_error, none };
    // level: the least that is written.
    Log(Sink sink, LogLevel level);
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;
    ~Log();

    // event: a short fixed name ("backend.ready"); what varies goes into the fields. No prompts.
    void write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});
    void debug(std::string_view event, std::initializer_list<LogField> fields = {});
    void info(std::string_view event, std::initializer_list<LogField> fields = {});
    void warn(std::string_view event, std::initializer_list<LogField> fields = {});
    void error(std::string_view event, std::initializer_list<LogField> fields = {});

    Redactor& redactor() { return redactor_; }

    // The last lines written, redacted, newest last; for tests and diagnostics.
    std::vector<std::string> recent() const;

private:
    struct Writer;
    std::unique_ptr<Writer> writer_;
    Redactor redactor_;
};

}  // namespace nova

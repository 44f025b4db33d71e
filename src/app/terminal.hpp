// What commands print: answers to standard output, progress and complaints to standard error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "config/environment.hpp"
#include "core/error.hpp"

namespace nova::app {

enum class Style : std::uint8_t { plain, json };

// Progress rewrites one line on a terminal; elsewhere each new step is one plain line. Colour only
// on a terminal, and never with NO_COLOR set.
class Terminal {
public:
    struct Kind {
        bool out_is_terminal = false;
        bool error_is_terminal = false;
        bool colour = false;
        unsigned columns = 80;
        bool muted = false;  // nothing to standard output: the caller prints one object itself
    };

    static Kind look(const config::Environment& environment);

    explicit Terminal(Kind kind) : kind_{kind} {}

    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    ~Terminal() { end_progress(); }

    const Kind& kind() const { return kind_; }

    void line(std::string_view text);  // standard output
    void raw(std::string_view text);   // the same without a line end, at once
    void note(std::string_view text);  // standard error

    // step: what goes on, without figures ("weights"); a change of it is a line of its own where
    // lines cannot be rewritten. text: the same with figures.
    void progress(std::string_view step, std::string_view text);
    void end_progress();

    // Sentence and remedy on standard error, or one JSON object on standard output.
    ExitCode complain(const Error& error, Style style);

    std::string bold(std::string_view text) const;

private:
    Kind kind_;
    std::string step_;
    std::string shown_;
    bool line_open_ = false;
};

// Without control characters, so that a log or an answer cannot drive the user's terminal. Line
// breaks and tabs stay.
std::string printable(std::string_view text);

// "[#######.......]" of that inner width; fraction is clamped to 0..1.
std::string bar(double fraction, unsigned width);
std::string human_bytes(std::uint64_t bytes);  // "98.2 MiB"
std::string human_seconds(double seconds);     // "20 s", "3 min", "1 h 10 min"

}  // namespace nova::app

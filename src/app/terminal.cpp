// Lines, rewritten lines, bars and units.
#include "app/terminal.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/json.hpp"

namespace nova::app {
namespace {

void put(std::FILE* file, std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), file);
    std::fflush(file);
}

// Cut to columns without splitting a UTF-8 sequence; good enough for our own texts.
std::string_view clipped(std::string_view text, std::size_t columns) {
    if (text.size() <= columns) {
        return text;
    }
    while (columns > 0 && (static_cast<unsigned char>(text[columns]) & 0xC0U) == 0x80U) {
        --columns;
    }
    return text.substr(0, columns);
}

}  // namespace

Terminal::Kind Terminal::look(const config::Environment& environment) {
    Kind kind;
    kind.out_is_terminal = ::isatty(STDOUT_FILENO) == 1;
    kind.error_is_terminal = ::isatty(STDERR_FILENO) == 1;
    const bool dumb = config::value_of(environment, "TERM").value_or("dumb") == "dumb";
    kind.colour =
        kind.out_is_terminal && !dumb && !config::value_of(environment, "NO_COLOR").has_value();
    winsize size{};
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) {
        kind.columns = size.ws_col;
    }
    return kind;
}

void Terminal::line(std::string_view text) {
    end_progress();
    if (!kind_.muted) {
        put(stdout, std::string{text} + "\n");
    }
}

void Terminal::raw(std::string_view text) {
    end_progress();
    if (!kind_.muted) {
        put(stdout, text);
    }
}

void Terminal::note(std::string_view text) {
    end_progress();
    put(stderr, std::string{text} + "\n");
}

void Terminal::progress(std::string_view step, std::string_view text) {
    if (!kind_.error_is_terminal) {
        if (step != step_) {
            put(stderr, fmt::format("{}\n", text));
        }
        step_ = step;
        return;
    }
    const std::string shown{clipped(text, kind_.columns - 1)};
    step_ = step;
    if (shown != shown_) {
        put(stderr, "\r\x1b[2K" + shown);  // back to the line's start, erase it
        shown_ = shown;
    }
    line_open_ = true;
}

void Terminal::end_progress() {
    if (line_open_) {
        put(stderr, "\n");
        line_open_ = false;
        shown_.clear();
    }
}

ExitCode Terminal::complain(const Error& error, Style style) {
    if (style == Style::json) {
        Json object{{"code", error.name()}, {"detail", error.message}};
        if (!error.remedy.empty()) {
            object["remedy"] = error.remedy;
        }
        line(json_text(Json{{"error", std::move(object)}}));
    } else {
        note("nova: " + printable(error.message));
        if (!error.remedy.empty()) {
            note("      " + printable(error.remedy));
        }
    }
    return policy(error.code).exit_code;
}

std::string Terminal::bold(std::string_view text) const {
    return kind_.colour ? fmt::format("\x1b[1m{}\x1b[0m", text) : std::string{text};
}

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c == 0xC2 && i + 1 < text.size()) {
            // U+0080 to U+009F: control characters in UTF-8 as well (0x9B alone begins a sequence).
            const auto next = static_cast<unsigned char>(text[i + 1]);
            if (next >= 0x80 && next < 0xA0) {
                ++i;
                continue;
            }
        }
        if (c >= 0x20 ? c != 0x7F : (c == '\n' || c == '\t')) {
            out += text[i];
        }
    }
    return out;
}

std::string bar(double fraction, unsigned width) {
    const double clamped = std::clamp(std::isfinite(fraction) ? fraction : 0.0, 0.0, 1.0);
    const auto full = static_cast<unsigned>(std::lround(std::floor(clamped * width)));
    return "[" + std::string(full, '#') + std::string(width - full, '.') + "]";
}

std::string human_bytes(std::uint64_t bytes) {
    constexpr double kStep = 1024.0;
    constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= kStep && unit + 1 < std::size(kUnits)) {
        value /= kStep;
        ++unit;
    }
    return unit == 0 || value >= 100 ? fmt::format("{:.0f} {}", value, kUnits[unit])
                                     : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string human_seconds(double seconds) {
    const auto whole = static_cast<std::int64_t>(std::ceil(seconds));
    if (whole < 60) {
        return fmt::format("{} s", whole);
    }
    const auto minutes = (whole + 59) / 60;
    if (minutes < 60) {
        return fmt::format("{} min", minutes);
    }
    return fmt::format("{} h {} min", minutes / 60, minutes % 60);
}

}  // namespace nova::app

// Lines of the text format.
#include "gateway/prometheus_text.hpp"

#include <fmt/format.h>

namespace nova::gateway {
namespace {

std::string_view word_of(FamilyType type) {
    switch (type) {
    case FamilyType::counter:
        return "counter";
    case FamilyType::gauge:
        return "gauge";
    case FamilyType::histogram:
        return "histogram";
    }
    return "untyped";
}

void append_escaped(std::string& text, std::string_view value) {
    for (const char c : value) {
        if (c == '\\' || c == '"') {
            text += '\\';
            text += c;
        } else if (c == '\n') {
            text += "\\n";
        } else {
            text += c;
        }
    }
}

}  // namespace

void PrometheusText::family(const Family& family) {
    name_ = family.name;
    text_ += fmt::format(
        "# HELP {} {}\n# TYPE {} {}\n", family.name, family.help, family.name, word_of(family.type)
    );
}

void PrometheusText::line(
    std::string_view suffix, Labels labels, std::string_view bound, std::string value
) {
    text_ += name_;
    text_ += suffix;
    char open = '{';
    const auto add = [&](std::string_view name, std::string_view content) {
        if (content.empty()) {
            return;
        }
        text_ += open;
        open = ',';
        text_ += name;
        text_ += "=\"";
        append_escaped(text_, content);
        text_ += '"';
    };
    for (const Label& label : labels) {
        add(label.name, label.value);
    }
    add("le", bound);
    text_ += open == ',' ? "} " : " ";
    text_ += value;
    text_ += '\n';
}

void PrometheusText::sample(Labels labels, double value) {
    line({}, labels, {}, fmt::format("{}", value));
}

void PrometheusText::sample(Labels labels, std::uint64_t value) {
    line({}, labels, {}, std::to_string(value));
}

void PrometheusText::histogram(
    Labels labels, std::span<const double> bounds, std::span<const std::uint64_t> counts, double sum
) {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        total += counts[i];
        const std::string bound = i < bounds.size() ? fmt::format("{}", bounds[i]) : "+Inf";
        line("_bucket", labels, bound, std::to_string(total));
    }
    line("_sum", labels, {}, fmt::format("{}", sum));
    line("_count", labels, {}, std::to_string(total));
}

}  // namespace nova::gateway

// Writing the Prometheus text format 0.0.4: HELP and TYPE once per family, labels escaped.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace nova::gateway {

inline constexpr std::string_view kPrometheusType = "text/plain; version=0.0.4; charset=utf-8";

enum class FamilyType : std::uint8_t { counter, gauge, histogram };

struct Family {
    std::string_view name;
    FamilyType type = FamilyType::counter;
    std::string_view help;
};

struct Label {
    std::string_view name;
    std::string_view value;  // empty: as if the label were not there
};

using Labels = std::initializer_list<Label>;

class PrometheusText {
public:
    // What follows until the next family belongs to it.
    void family(const Family& family);
    void sample(Labels labels, double value);
    void sample(Labels labels, std::uint64_t value);
    // counts: one per bound and one above them, not cumulative.
    void histogram(
        Labels labels, std::span<const double> bounds, std::span<const std::uint64_t> counts,
        double sum
    );

    std::string take() { return std::move(text_); }

private:
    void line(std::string_view suffix, Labels labels, std::string_view bound, std::string value);

    std::string_view name_;
    std::string text_;
};

}  // namespace nova::gateway

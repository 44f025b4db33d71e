// For tests: reads the Prometheus text format strictly; anything odd is an error.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace nova::gateway::testing {

struct Sample {
    std::string name;
    std::map<std::string, std::string> labels;
    double value = 0;
};

struct ReadMetrics {
    std::vector<Sample> samples;
    std::map<std::string, std::string> types;  // by family
    std::string error;                         // the first thing that is wrong; empty: nothing

    // The one sample with this name and these labels among its own; empty: none or several.
    std::optional<double>
    value(std::string_view name, const std::map<std::string, std::string>& labels = {}) const {
        std::optional<double> found;
        for (const Sample& sample : samples) {
            bool fits = sample.name == name;
            for (const auto& [key, text] : labels) {
                const auto it = sample.labels.find(key);
                fits = fits && it != sample.labels.end() && it->second == text;
            }
            if (fits && found) {
                return std::nullopt;
            }
            if (fits) {
                found = sample.value;
            }
        }
        return found;
    }
};

ReadMetrics read_metrics(std::string_view text);

}  // namespace nova::gateway::testing

// Copying the environment.
#include "config/environment.hpp"

#include <unistd.h>

namespace nova::config {

Environment process_environment() {
    Environment environment;
    for (char** row = environ; row != nullptr && *row != nullptr; ++row) {
        const std::string_view text{*row};
        const auto equals = text.find('=');
        if (equals != std::string_view::npos) {
            environment.emplace(text.substr(0, equals), text.substr(equals + 1));
        }
    }
    return environment;
}

std::optional<std::string> value_of(const Environment& environment, std::string_view name) {
    const auto it = environment.find(name);
    if (it == environment.end() || it->second.empty()) {
        return std::nullopt;
    }
    return it->second;
}

}  // namespace nova::config

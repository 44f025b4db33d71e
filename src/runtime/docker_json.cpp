// Podman and newer daemons leave members out that Docker 20.10 has.
#include "runtime/docker_json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/docker_api.hpp"

namespace nova::runtime {

const Json& member(const Json& value, std::string_view key) {
    static const Json kNothing;
    if (!value.is_object()) {
        return kNothing;
    }
    const auto found = value.find(key);
    return found == value.end() ? kNothing : *found;
}

std::string text_at(const Json& value, std::string_view key) {
    const Json& found = member(value, key);
    return found.is_string() ? found.get<std::string>() : std::string{};
}

bool is_true(const Json& value, std::string_view key) {
    const Json& found = member(value, key);
    return found.is_boolean() && found.get<bool>();
}

std::string container_path(std::string_view id, std::string_view what) {
    return fmt::format("/containers/{}{}", docker_escaped(id), what);
}

}  // namespace nova::runtime

// Members of JSON objects that may be anything.
#include "app/commands_json.hpp"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace nova::app {
namespace {

const Json* member(const Json& value, const char* key) {
    if (!value.is_object()) {
        return nullptr;
    }
    const auto it = value.find(key);
    return it == value.end() ? nullptr : &*it;
}

}  // namespace

std::string text_in(const Json& value, const char* key, std::string otherwise) {
    const Json* found = member(value, key);
    return found != nullptr && found->is_string() ? found->get<std::string>()
                                                  : std::move(otherwise);
}

double number_in(const Json& value, const char* key, double otherwise) {
    const Json* found = member(value, key);
    return found != nullptr && found->is_number() ? found->get<double>() : otherwise;
}

std::uint64_t count_in(const Json& value, const char* key, std::uint64_t otherwise) {
    const Json* found = member(value, key);
    if (found == nullptr || !found->is_number_integer() ||
        (!found->is_number_unsigned() && found->get<std::int64_t>() < 0)) {
        return otherwise;
    }
    return found->get<std::uint64_t>();
}

Flag flag_in(const Json& value, const char* key) {
    const Json* found = member(value, key);
    return found != nullptr && found->is_boolean() && found->get<bool>() ? Flag::on : Flag::off;
}

const Json& object_in(const Json& value, const char* key) {
    static const Json kNone = Json::object();
    const Json* found = member(value, key);
    return found != nullptr && found->is_object() ? *found : kNone;
}

const Json& array_in(const Json& value, const char* key) {
    static const Json kNone = Json::array();
    const Json* found = member(value, key);
    return found != nullptr && found->is_array() ? *found : kNone;
}

const Json* setting_in(const Json& settings, std::string_view name) {
    for (const Json& row : array_in(settings, "settings")) {
        if (text_in(row, "name") == name) {
            return &row;
        }
    }
    return nullptr;
}

std::vector<std::string> lines_of_last_failure(const Json& slot) {
    const Json& failure = object_in(slot, "last_failure");
    if (failure.empty()) {
        return {};
    }
    std::vector<std::string> lines{fmt::format(
        "{} failed at {}{}: {}", text_in(failure, "target", "It"), text_in(failure, "at"),
        flag_in(failure, "rolled_back") == Flag::on ? " and was rolled back" : "",
        text_in(failure, "detail")
    )};
    if (std::string remedy = text_in(failure, "remedy"); !remedy.empty()) {
        lines.push_back(std::move(remedy));
    }
    return lines;
}

}  // namespace nova::app

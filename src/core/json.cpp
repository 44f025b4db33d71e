// JSON reading with depth and type checks.
#include "core/json.hpp"

#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json_brackets.hpp"

namespace nova {
namespace {

bool too_deep(std::string_view text) {
    std::size_t depth = 0;
    for_each_bracket(text, [&depth](std::size_t /*at*/, bool opens) {
        if (opens) {
            ++depth;
        } else if (depth > 0) {
            --depth;
        }
        return depth <= kMaxJsonDepth;
    });
    return depth > kMaxJsonDepth;
}

}  // namespace

Result<Json> parse_json(std::string_view text, std::string_view what) {
    if (too_deep(text)) {
        return fail(
            ErrorCode::invalid_argument,
            fmt::format("{} nests deeper than {} levels.", what, kMaxJsonDepth)
        );
    }
    Json value = Json::parse(text.begin(), text.end(), nullptr, false);
    if (value.is_discarded()) {
        return fail(ErrorCode::invalid_argument, fmt::format("{} is not valid JSON.", what));
    }
    return value;
}

std::string json_text(const Json& value, int indent) {
    return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

JsonReader::JsonReader(const Json& value, std::string path)
    : value_{value}, path_{std::move(path)} {
    if (!value_.is_object()) {
        error_ = Error{
            .code = ErrorCode::invalid_argument,
            .message = fmt::format("{} must be a JSON object.", path_)
        };
    }
}

void JsonReader::complain(std::string_view key, std::string_view sentence) {
    if (!error_) {
        error_ = Error{
            .code = ErrorCode::invalid_argument,
            .message = fmt::format("{}.{} {}.", path_, key, sentence)
        };
    }
}

const Json*
JsonReader::find(std::string_view key, std::string_view wanted, bool (*is)(const Json&)) {
    if (!value_.is_object()) {
        return nullptr;
    }
    const auto it = value_.find(key);
    if (it == value_.end() || it->is_null()) {
        return nullptr;
    }
    if (!is(*it)) {
        complain(key, fmt::format("must be {}", wanted));
        return nullptr;
    }
    return &*it;
}

std::optional<std::string> JsonReader::text(std::string_view key) {
    const Json* v = find(key, "a string", [](const Json& j) { return j.is_string(); });
    return v ? std::optional{v->get<std::string>()} : std::nullopt;
}

std::optional<std::int64_t> JsonReader::integer(std::string_view key) {
    const Json* v =
        find(key, "a whole number", [](const Json& j) { return j.is_number_integer(); });
    return v ? std::optional{v->get<std::int64_t>()} : std::nullopt;
}

std::optional<double> JsonReader::number(std::string_view key) {
    const Json* v = find(key, "a number", [](const Json& j) { return j.is_number(); });
    return v ? std::optional{v->get<double>()} : std::nullopt;
}

std::optional<bool> JsonReader::boolean(std::string_view key) {
    const Json* v = find(key, "true or false", [](const Json& j) { return j.is_boolean(); });
    return v ? std::optional{v->get<bool>()} : std::nullopt;
}

const Json* JsonReader::object(std::string_view key) {
    return find(key, "an object", [](const Json& j) { return j.is_object(); });
}

const Json* JsonReader::array(std::string_view key) {
    return find(key, "an array", [](const Json& j) { return j.is_array(); });
}

std::string JsonReader::required_text(std::string_view key) {
    auto value = text(key);
    if (!value) {
        complain(key, "is required");
    }
    return std::move(value).value_or(std::string{});
}

std::int64_t JsonReader::required_integer(std::string_view key) {
    const auto value = integer(key);
    if (!value) {
        complain(key, "is required");
    }
    return value.value_or(0);
}

}  // namespace nova

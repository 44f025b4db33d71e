// Reading and writing of JSON for the codecs.
#include "dialect/json_text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json_brackets.hpp"
#include "core/text.hpp"

namespace nova::dialect {
namespace {

// Where the value ends that a text begins with; npos when it does not, or nests too deep.
std::size_t end_of_value(std::string_view text) {
    std::size_t depth = 0;
    std::size_t end = std::string_view::npos;
    for_each_bracket(text, [&depth, &end](std::size_t at, bool opens) {
        if (opens) {
            return ++depth <= kMaxJsonDepth;
        }
        if (depth <= 1) {
            end = at + 1;
            return false;
        }
        --depth;
        return true;
    });
    return end;
}

std::optional<Tree> parsed(std::string_view text) {
    Tree value = Tree::parse(text.begin(), text.end(), nullptr, false);
    return value.is_discarded() ? std::nullopt : std::optional{std::move(value)};
}

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::optional<std::uint32_t> sextet(char c) {
    const std::size_t at = kAlphabet.find(c);
    return at == std::string_view::npos ? std::nullopt
                                        : std::optional{static_cast<std::uint32_t>(at)};
}

}  // namespace

Result<Tree> parse_tree(std::string_view text, std::string_view what) {
    const std::string_view value = trimmed(text);
    const bool nested = value.starts_with('{') || value.starts_with('[');
    if (nested && end_of_value(value) == std::string_view::npos) {
        return fail(
            ErrorCode::invalid_argument,
            fmt::format(
                "{} is not valid JSON, or nests deeper than {} levels.", what, kMaxJsonDepth
            )
        );
    }
    auto tree = parsed(value);
    if (!tree) {
        return fail(ErrorCode::invalid_argument, fmt::format("{} is not valid JSON.", what));
    }
    return std::move(*tree);
}

std::vector<Tree> parse_objects(std::string_view text) {
    std::vector<Tree> objects;
    for (text = trimmed(text); !text.empty(); text = trimmed(text)) {
        const std::size_t end = text.front() == '{' ? end_of_value(text) : std::string_view::npos;
        if (end == std::string_view::npos) {
            return {};
        }
        auto object = parsed(text.substr(0, end));
        if (!object) {
            return {};
        }
        objects.push_back(std::move(*object));
        text.remove_prefix(end);
    }
    return objects;
}

RawJson raw_text(const Tree& value) {
    return value.dump(-1, ' ', false, Tree::error_handler_t::replace);
}

Tree tree_of(const RawJson& text) {
    if (text.empty()) {
        return {};
    }
    const auto tree = parse_tree(text, "It");
    return tree ? *tree : Tree{};
}

const Tree& member(const Tree& object, std::string_view key) {
    static const Tree none;
    if (!object.is_object()) {
        return none;
    }
    const auto it = object.find(key);
    return it == object.end() ? none : *it;
}

std::string text_of(const Tree& value) {
    return value.is_string() ? value.get<std::string>() : std::string{};
}

std::optional<std::uint64_t> count_in(const Tree& value, std::string_view key) {
    const Tree& found = member(value, key);
    if (!found.is_number_integer() ||
        (!found.is_number_unsigned() && found.get<std::int64_t>() < 0)) {
        return std::nullopt;
    }
    return found.get<std::uint64_t>();
}

std::string_view image_type_of(std::string_view base64) {
    if (base64.starts_with("/9j/")) {
        return "image/jpeg";
    }
    if (base64.starts_with("R0lGOD")) {
        return "image/gif";
    }
    return base64.starts_with("UklGR") ? "image/webp" : "image/png";
}

std::string arguments_text(const Tree* value) {
    if (value == nullptr || value->is_null()) {
        return "{}";
    }
    if (!value->is_string()) {
        return raw_text(*value);
    }
    const auto& text = value->get_ref<const std::string&>();
    if (trimmed(text).empty()) {
        return "{}";
    }
    if (trimmed(text).front() == '"') {
        const auto inner = parse_tree(text, "arguments");
        if (inner && inner->is_string()) {
            return inner->get<std::string>();
        }
    }
    return text;
}

std::string base64_of_floats(const std::vector<float>& values) {
    static_assert(std::endian::native == std::endian::little);
    std::string bytes(values.size() * sizeof(float), '\0');
    std::memcpy(bytes.data(), values.data(), bytes.size());
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t left = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t group = 0;
        for (std::size_t k = 0; k < 3; ++k) {
            group = group << 8U |
                    (k < left ? static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i + k]))
                              : 0U);
        }
        for (std::size_t k = 0; k < 4; ++k) {
            out.push_back(k <= left ? kAlphabet[group >> (18U - 6U * k) & 63U] : '=');
        }
    }
    return out;
}

Result<std::vector<float>> floats_of_base64(std::string_view text) {
    std::string bytes;
    std::uint32_t group = 0;
    unsigned bits = 0;
    while (text.ends_with('=')) {
        text.remove_suffix(1);
    }
    for (const char c : text) {
        const auto value = sextet(c);
        if (!value) {
            return fail(ErrorCode::upstream_failed, "An embedding is not valid base64.");
        }
        group = group << 6U | *value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes.push_back(static_cast<char>(group >> bits & 0xffU));
        }
    }
    if (bytes.size() % sizeof(float) != 0) {
        return fail(ErrorCode::upstream_failed, "An embedding in base64 is cut short.");
    }
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
}

Members::Members(const Tree& value, std::string_view path) : value_{value}, path_{path} {
    if (!value_.is_object()) {
        error_ = Error{
            .code = ErrorCode::invalid_argument,
            .message = fmt::format("{} must be a JSON object.", path_.empty() ? "The body" : path_),
        };
    }
}

void Members::complain(std::string_view key, std::string_view sentence) {
    if (!error_) {
        error_ = Error{
            .code = ErrorCode::invalid_argument,
            .message = fmt::format("{}{}{} {}", path_, path_.empty() ? "" : ".", key, sentence),
        };
    }
}

const Tree* Members::find(std::string_view key, std::string_view wanted, bool (*is)(const Tree&)) {
    if (!value_.is_object()) {
        return nullptr;
    }
    asked_.emplace_back(key);
    const auto it = value_.find(key);
    if (it == value_.end() || it->is_null()) {
        return nullptr;
    }
    if (!is(*it)) {
        complain(key, fmt::format("must be {}.", wanted));
        return nullptr;
    }
    return &*it;
}

std::optional<std::string> Members::text(std::string_view key) {
    const Tree* found = find(key, "a string", [](const Tree& v) { return v.is_string(); });
    return found == nullptr ? std::nullopt : std::optional{found->get<std::string>()};
}

std::optional<std::int64_t> Members::integer(std::string_view key) {
    const Tree* found = find(key, "a whole number", [](const Tree& v) {
        if (!v.is_number_float()) {
            return v.is_number_integer();
        }
        constexpr double kExact = 9007199254740992.0;  // 2^53
        const auto number = v.get<double>();
        return number > -kExact && number < kExact && std::trunc(number) == number;
    });
    return found == nullptr ? std::nullopt : std::optional{found->get<std::int64_t>()};
}

std::optional<double> Members::number(std::string_view key) {
    const Tree* found = find(key, "a number", [](const Tree& v) { return v.is_number(); });
    return found == nullptr ? std::nullopt : std::optional{found->get<double>()};
}

std::optional<bool> Members::boolean(std::string_view key) {
    const Tree* found = find(key, "true or false", [](const Tree& v) { return v.is_boolean(); });
    return found == nullptr ? std::nullopt : std::optional{found->get<bool>()};
}

const Tree* Members::object(std::string_view key) {
    return find(key, "an object", [](const Tree& v) { return v.is_object(); });
}

const Tree* Members::array(std::string_view key) {
    return find(key, "a list", [](const Tree& v) { return v.is_array(); });
}

const Tree* Members::any(std::string_view key) {
    return find(key, "anything", [](const Tree&) { return true; });
}

std::string Members::required_text(std::string_view key) {
    auto value = text(key);
    if (!value || value->empty()) {
        complain(key, "is missing.");
        return {};
    }
    return std::move(*value);
}

std::vector<std::pair<std::string, RawJson>> Members::rest() const {
    std::vector<std::pair<std::string, RawJson>> left;
    if (!value_.is_object()) {
        return left;
    }
    for (const auto& [key, value] : value_.items()) {
        if (std::ranges::find(asked_, key) == asked_.end()) {
            left.emplace_back(key, raw_text(value));
        }
    }
    return left;
}

}  // namespace nova::dialect

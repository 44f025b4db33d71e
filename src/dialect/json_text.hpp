// JSON as dialects need it: order of members kept, every member read once and accounted for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/result.hpp"
#include "dialect/chat_request.hpp"

namespace nova::dialect {

using Tree = nlohmann::ordered_json;

// Depth limit 128. Error: invalid_argument, without quoting the document.
Result<Tree> parse_tree(std::string_view text, std::string_view what);

// The objects that stand one behind the other in a text, as some proxies send them (trap 9). Empty
// when the text is anything else.
std::vector<Tree> parse_objects(std::string_view text);

// Valid UTF-8 whatever came in.
RawJson raw_text(const Tree& value);

// The value of a text that a reader kept; null where it is no JSON.
Tree tree_of(const RawJson& text);

// A member of an object; null where there is none, or where value is no object.
const Tree& member(const Tree& value, std::string_view key);
// The string that value is; empty when it is something else.
std::string text_of(const Tree& value);
// A count under that key; empty when there is none or it is no whole number of 0 and up.
std::optional<std::uint64_t> count_in(const Tree& value, std::string_view key);

// out[key] = value, where there is a value.
template <class Out, class Value>
void put(Out& out, const char* key, const std::optional<Value>& value) {
    if (value) {
        out[key] = *value;
    }
}

// "image/png", "image/jpeg", "image/gif" or "image/webp" by how the data begins.
std::string_view image_type_of(std::string_view base64);

// Text of a JSON object for a tool's arguments, from what upstreams send: an object, a string, a
// string that holds a string, nothing (trap 51). Text that is no JSON stays as it is: models
// write that, and the client has to see it.
std::string arguments_text(const Tree* value);

std::string base64_of_floats(const std::vector<float>& values);  // little-endian (trap 67)
Result<std::vector<float>> floats_of_base64(std::string_view text);

// Reads an object's members; what nobody asked for is left for rest(). Missing and null are the
// same (trap 58). Collect first, then ask error() once.
class Members {
public:
    // value and path outlive the reader.
    Members(const Tree& value, std::string_view path);

    std::optional<std::string> text(std::string_view key);
    std::optional<std::int64_t> integer(std::string_view key);
    std::optional<double> number(std::string_view key);
    std::optional<bool> boolean(std::string_view key);
    const Tree* object(std::string_view key);
    const Tree* array(std::string_view key);
    const Tree* any(std::string_view key);
    std::string required_text(std::string_view key);

    void complain(std::string_view key, std::string_view sentence);
    // Members never asked for, in order, null ones included.
    std::vector<std::pair<std::string, RawJson>> rest() const;

    const std::optional<Error>& error() const { return error_; }

private:
    const Tree* find(std::string_view key, std::string_view wanted, bool (*is)(const Tree&));

    const Tree& value_;
    std::string path_;
    std::vector<std::string> asked_;
    std::optional<Error> error_;
};

}  // namespace nova::dialect

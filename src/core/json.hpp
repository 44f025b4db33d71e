// Typed access to JSON documents, with the path in the error: "options.context: must be a number".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "core/result.hpp"

namespace nova {

using Json = nlohmann::json;

// Refuses malformed text, duplicate-free or not is the caller's business; depth limit 128.
// Error: invalid_argument, "WHAT is not valid JSON: ..." without quoting the document.
Result<Json> parse_json(std::string_view text, std::string_view what);

// The text of a document; bytes that are no UTF-8 become U+FFFD, for what engines print is cut
// anywhere. nlohmann's own dump() throws at them. indent: spaces, -1 for one line.
std::string json_text(const Json& value, int indent = -1);

// A reader over one object. Missing and null are the same; a wrong type is an error that names the
// path. Collect values first, then ask error() once.
class JsonReader {
public:
    // The value and path must outlive the reader.
    JsonReader(const Json& value, std::string path);

    std::optional<std::string> text(std::string_view key);
    std::optional<std::int64_t> integer(std::string_view key);
    std::optional<double> number(std::string_view key);
    std::optional<bool> boolean(std::string_view key);
    const Json* object(std::string_view key);  // nullptr when missing
    const Json* array(std::string_view key);   // nullptr when missing

    std::string required_text(std::string_view key);
    std::int64_t required_integer(std::string_view key);

    // The first thing that was wrong.
    const std::optional<Error>& error() const { return error_; }

private:
    const Json* find(std::string_view key, std::string_view wanted, bool (*is)(const Json&));
    void complain(std::string_view key, std::string_view sentence);

    const Json& value_;
    std::string path_;
    std::optional<Error> error_;
};

}  // namespace nova

// Flattening TOML.
#include "config/toml_file.hpp"

#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include <fmt/format.h>

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>
#include <unistd.h>

namespace nova::config {
namespace {

std::optional<std::string> scalar_text(const toml::node& node) {
    if (const auto* text = node.as_string()) {
        return text->get();
    }
    if (const auto* number = node.as_integer()) {
        return std::to_string(number->get());
    }
    if (const auto* number = node.as_floating_point()) {
        return fmt::format("{}", number->get());
    }
    if (const auto* flag = node.as_boolean()) {
        return flag->get() ? "true" : "false";
    }
    return std::nullopt;
}

std::optional<std::string> node_text(const toml::node& node) {
    const auto* list = node.as_array();
    if (list == nullptr) {
        return scalar_text(node);
    }
    std::string joined;
    for (const toml::node& item : *list) {
        const auto text = scalar_text(item);
        if (!text) {
            return std::nullopt;
        }
        joined += (joined.empty() ? "" : ",") + *text;
    }
    return joined;
}

Result<void> flatten(
    const toml::table& table, const std::string& prefix, const std::string& file,
    std::vector<TomlRow>& rows
) {
    for (const auto& [key, node] : table) {
        std::string name = prefix + std::string{key.str()};
        if (const auto* inner = node.as_table()) {
            if (auto done = flatten(*inner, name + ".", file, rows); !done) {
                return done;
            }
            continue;
        }
        auto text = node_text(node);
        if (!text) {
            return fail(
                ErrorCode::invalid_argument,
                fmt::format(
                    "{}, line {}: {} has a kind of value nova does not take.", file,
                    node.source().begin.line, name
                )
            );
        }
        rows.push_back({std::move(name), std::move(*text)});
    }
    return {};
}

}  // namespace

Result<std::vector<TomlRow>> read_toml_file(const std::filesystem::path& path) {
    const std::string file = path.string();
    if (::access(file.c_str(), R_OK) != 0) {
        return fail(
            ErrorCode::invalid_argument,
            fmt::format(
                "The configuration file {} cannot be read: {}.", file, std::strerror(errno)
            ),
            "Check the path and who may read the file."
        );
    }
    const toml::parse_result parsed = toml::parse_file(file);
    if (!parsed) {
        const auto& error = parsed.error();
        return fail(
            ErrorCode::invalid_argument,
            fmt::format("{}, line {}: {}.", file, error.source().begin.line, error.description()),
            "Correct that line; it is TOML: name = \"value\", tables in brackets."
        );
    }
    std::vector<TomlRow> rows;
    if (const auto done = flatten(parsed.table(), "", file, rows); !done) {
        return propagate(done);
    }
    return rows;
}

}  // namespace nova::config

// Reading data/providers.json and the model lists of those providers.
#include "gateway/provider_catalog.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <unordered_set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"
#include "embedded/provider_data.hpp"

namespace nova::gateway {
namespace {

constexpr std::size_t kMostModels = 4096;
constexpr std::size_t kLongestModel = 256;

std::unexpected<Error> bad(const std::string& path, std::string_view why) {
    return fail(ErrorCode::invalid_argument, fmt::format("{} {}.", path, why));
}

// A key nobody reads is a mistake of whoever wrote it.
std::optional<std::string> stranger(const Json& value, std::span<const std::string_view> known) {
    for (const auto& [key, unused] : value.items()) {
        if (std::ranges::find(known, key) == known.end()) {
            return key;
        }
    }
    return std::nullopt;
}

Result<dialect::Dialect> dialect_from(const std::string& word, const std::string& path) {
    if (word == "openai") {
        return dialect::Dialect::openai;
    }
    if (word == "anthropic") {
        return dialect::Dialect::anthropic;
    }
    if (word == "ollama") {
        return dialect::Dialect::ollama;
    }
    return bad(path + ".dialect", "must be openai, anthropic or ollama");
}

Result<void> read_quirks(const Json& value, const std::string& path, dialect::WriteOptions& out) {
    constexpr std::array<std::string_view, 6> kKnown{"max_completion_tokens", "include_usage",
                                                     "default_max_tokens",    "send_reasoning",
                                                     "unsupported",           "defaults"};
    if (const auto key = stranger(value, kKnown)) {
        return bad(path + "." + *key, "is not known");
    }
    JsonReader reader{value, path};
    out.max_completion_tokens = reader.boolean("max_completion_tokens").value_or(false);
    out.include_usage = reader.boolean("include_usage").value_or(true);
    out.default_max_tokens = reader.integer("default_max_tokens").value_or(4096);
    out.send_reasoning = reader.boolean("send_reasoning").value_or(false);
    if (const Json* names = reader.array("unsupported")) {
        for (const Json& name : *names) {
            if (!name.is_string()) {
                return bad(path + ".unsupported", "must hold names");
            }
            out.unsupported.push_back(name.get<std::string>());
        }
    }
    if (const Json* members = reader.object("defaults")) {
        for (const auto& [name, member] : members->items()) {
            out.defaults.emplace_back(name, json_text(member));
        }
    }
    if (reader.error()) {
        return fail(*reader.error());
    }
    return {};
}

void read_auth(const Json& value, const std::string& path, ProviderRow& row) {
    JsonReader reader{value, path};
    row.auth_header = reader.text("header").value_or("Authorization");
    row.auth_scheme = reader.text("scheme").value_or("");
}

void read_models(const Json& value, const std::string& path, ProviderRow& row) {
    JsonReader reader{value, path};
    row.models_path = reader.text("path").value_or(row.models_path);
    row.models_from_root = reader.boolean("from_root").value_or(false);
    row.models_strip = reader.text("strip").value_or("");
}

Result<ProviderRow> row_from(const Json& value, const std::string& path) {
    constexpr std::array<std::string_view, 13> kKnown{
        "id",     "title",         "base_url",   "dialect",   "auth",   "headers", "key_variable",
        "models", "default_model", "embeddings", "responses", "quirks", "notes"
    };
    JsonReader reader{value, path};
    ProviderRow row;
    row.id = reader.required_text("id");
    row.title = reader.required_text("title");
    row.base_url = reader.required_text("base_url");
    row.key_variable = reader.text("key_variable").value_or("");
    row.default_model = reader.text("default_model").value_or("");
    row.embeds = reader.boolean("embeddings").value_or(true);
    row.has_responses = reader.boolean("responses").value_or(false);
    const std::string dialect = reader.text("dialect").value_or("openai");
    const Json* auth = reader.object("auth");
    const Json* headers = reader.object("headers");
    const Json* models = reader.object("models");
    const Json* quirks = reader.object("quirks");
    const Json* notes = reader.array("notes");
    if (reader.error()) {
        return fail(*reader.error());
    }
    if (const auto key = stranger(value, kKnown)) {
        return bad(path + "." + *key, "is not known");
    }
    const auto speaks = dialect_from(dialect, path);
    if (!speaks) {
        return propagate(speaks);
    }
    row.speaks = *speaks;
    if (auth != nullptr) {
        read_auth(*auth, path + ".auth", row);
    }
    if (models != nullptr) {
        read_models(*models, path + ".models", row);
    }
    if (headers != nullptr) {
        for (const auto& [name, text] : headers->items()) {
            row.headers.emplace_back(name, text.is_string() ? text.get<std::string>() : "");
        }
    }
    if (notes != nullptr) {
        for (const Json& note : *notes) {
            row.notes.push_back(note.is_string() ? note.get<std::string>() : "");
        }
    }
    if (quirks != nullptr) {
        const auto read = read_quirks(*quirks, path + ".quirks", row.options);
        if (!read) {
            return propagate(read);
        }
    }
    return row;
}

const Json* list_in(const Json& body) {
    if (body.is_array()) {
        return &body;
    }
    if (!body.is_object()) {
        return nullptr;
    }
    for (const char* key : {"data", "models"}) {
        const auto at = body.find(key);
        if (at != body.end() && at->is_array()) {
            return &*at;
        }
    }
    return nullptr;
}

std::string id_of(const Json& entry) {
    if (entry.is_string()) {
        return entry.get<std::string>();
    }
    if (!entry.is_object()) {
        return {};
    }
    for (const char* key : {"id", "name"}) {
        const auto at = entry.find(key);
        if (at != entry.end() && at->is_string()) {
            return at->get<std::string>();
        }
    }
    return {};
}

// Names end up in headers and logs (trap 100).
bool usable(std::string_view id) {
    return !id.empty() && id.size() <= kLongestModel &&
           std::ranges::all_of(id, [](char c) { return c > ' ' && c < '\x7f'; });
}

}  // namespace

std::string ProviderRow::auth_value(std::string_view key) const {
    return auth_scheme.empty() ? std::string{key} : fmt::format("{} {}", auth_scheme, key);
}

Result<ProviderCatalog> ProviderCatalog::read(std::string_view text) {
    const auto document = parse_json(text, "providers.json");
    if (!document) {
        return propagate(document);
    }
    JsonReader reader{*document, "providers.json"};
    const Json* rows = reader.array("providers");
    if (rows == nullptr) {
        return bad("providers.json", "must hold the array providers");
    }
    ProviderCatalog catalog;
    for (std::size_t i = 0; i < rows->size(); ++i) {
        auto row = row_from((*rows)[i], fmt::format("providers[{}]", i));
        if (!row) {
            return propagate(row);
        }
        if (catalog.find(row->id) != nullptr) {
            return bad(fmt::format("providers[{}].id", i), "is there twice");
        }
        catalog.rows_.push_back(std::move(*row));
    }
    return catalog;
}

const ProviderCatalog& ProviderCatalog::embedded() {
    static const ProviderCatalog catalog = [] {
        auto read = ProviderCatalog::read(nova::embedded::provider_data().front().text);
        NOVA_CHECK(read.has_value());  // provider_catalog_test.cpp reads the same text
        return std::move(*read);
    }();
    return catalog;
}

const ProviderRow* ProviderCatalog::find(std::string_view id) const {
    const auto at = std::ranges::find(rows_, id, &ProviderRow::id);
    return at == rows_.end() ? nullptr : &*at;
}

Result<std::vector<std::string>> model_ids_from(std::string_view body, std::string_view strip) {
    const auto document = parse_json(body, "The model list");
    const Json* list = document ? list_in(*document) : nullptr;
    if (list == nullptr) {
        return fail(ErrorCode::upstream_failed, "The answer is no model list.");
    }
    std::vector<std::string> ids;
    std::unordered_set<std::string> seen;
    for (const Json& entry : *list) {
        std::string id = id_of(entry);
        if (!strip.empty() && id.starts_with(strip)) {
            id.erase(0, strip.size());
        }
        if (usable(id) && ids.size() < kMostModels && seen.insert(id).second) {
            ids.push_back(std::move(id));
        }
    }
    return ids;
}

}  // namespace nova::gateway

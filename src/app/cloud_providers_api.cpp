// The control API's side of CloudProviders.
#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/cloud_provider_entry.hpp"
#include "core/json.hpp"

namespace nova::app {
namespace {

using gateway::ProviderCatalog;
using gateway::ProviderRow;

std::string_view dialect_word(dialect::Dialect dialect) {
    switch (dialect) {
    case dialect::Dialect::anthropic:
        return "anthropic";
    case dialect::Dialect::ollama:
    case dialect::Dialect::ollama_generate:
        return "ollama";
    case dialect::Dialect::openai:
    case dialect::Dialect::openai_text:
    case dialect::Dialect::nova:
        return "openai";
    }
    return "openai";
}

Json error_json(const Error& error) {
    Json json{{"code", error.name()}, {"detail", error.message}};
    if (!error.remedy.empty()) {
        json["remedy"] = error.remedy;
    }
    return json;
}

Json row_json(const ProviderRow& row) {
    Json json{
        {"id", row.id},
        {"kind", row.id},
        {"title", row.title},
        {"configured", false},
        {"base_url", row.base_url},
        {"dialect", dialect_word(row.speaks)},
        {"default_model", row.default_model},
        {"embeddings", row.embeds},
        {"responses", row.has_responses},
        {"notes", row.notes},
    };
    if (!row.key_variable.empty()) {
        json["key_variable"] = row.key_variable;
    }
    return json;
}

Error no_such_provider(const std::string& id) {
    return Error{
        .code = ErrorCode::not_found,
        .message = fmt::format("There is no provider {}.", id),
        .word = "provider_not_found",
        .remedy = "See nova providers list",
    };
}

}  // namespace

Json CloudProviders::entry_json(const Entry& entry) const {
    Json json = entry.row != nullptr ? row_json(*entry.row) : Json::object();
    json["id"] = entry.document.id;
    json["kind"] = entry.document.kind;
    json["configured"] = true;
    json["enabled"] = entry.document.enabled;
    json["order"] = entry.document.order;
    json["has_secret"] = !entry.document.sealed.empty();
    json["aliases"] = Json::object();
    for (const auto& [name, model] : entry.document.aliases) {
        json["aliases"][name] = model;
    }
    json["models_by_hand"] = entry.document.models;
    json["models"] = entry.upstream ? entry.upstream->models : entry.document.models;
    if (!entry.document.base_url.empty()) {
        json["base_url"] = entry.document.base_url;
    }
    if (entry.document.default_model) {
        json["default_model"] = *entry.document.default_model;
    }
    if (!entry.document.seeded_from.empty()) {
        json["seeded_from"] = entry.document.seeded_from;
    }
    if (entry.listed_at) {
        json["models_at"] = rfc3339(*entry.listed_at);
    }
    if (entry.unusable || entry.list_error) {
        json["error"] = error_json(entry.unusable ? *entry.unusable : *entry.list_error);
    }
    const bool usable = entry.upstream && entry.document.enabled;
    json["state"] = !entry.document.enabled ? "disabled"
                    : !usable               ? "unusable"
                    : permit_for(entry)     ? "usable"
                                            : "kept_out";  // by the mode
    if (usable && parts_.circuit) {
        json["circuit"] = parts_.circuit(entry.upstream->id);
    }
    return json;
}

Task<Result<std::string>> CloudProviders::list() {
    Json providers = Json::array();
    for (const auto& entry : entries_) {
        providers.push_back(entry_json(*entry));
    }
    Json known = Json::array();
    for (const ProviderRow& row : ProviderCatalog::embedded().rows()) {
        known.push_back(row_json(row));
    }
    co_return json_text(Json{{"providers", std::move(providers)}, {"known", std::move(known)}});
}

Task<Result<std::string>> CloudProviders::get(std::string id) {
    const Entry* entry = find(id);
    if (entry == nullptr) {
        co_return fail(no_such_provider(id));
    }
    co_return json_text(entry_json(*entry));
}

// The document as it would be, checked; its key is not sealed yet.
Result<ProviderDocument>
CloudProviders::changed_document(const std::string& id, const ProviderChange& change) {
    const Entry* before = find(id);
    ProviderDocument document;
    if (before != nullptr) {
        document = before->document;
    } else {
        if (const auto fine = check_provider_id(id); !fine) {
            return propagate(fine);
        }
        document.id = id;
        const bool known = ProviderCatalog::embedded().find(id) != nullptr;
        document.kind = known ? id : std::string{gateway::kOpenAiCompatible};
    }
    apply(change, document);
    const ProviderRow* row = ProviderCatalog::embedded().find(document.kind);
    if (row == nullptr) {
        std::vector<std::string> kinds;
        for (const ProviderRow& one : ProviderCatalog::embedded().rows()) {
            kinds.push_back(one.id);
        }
        return fail(
            ErrorCode::unprocessable,
            fmt::format("There is no kind of provider {}.", document.kind),
            fmt::format("Kinds: {}.", fmt::join(kinds, ", "))
        );
    }
    const bool has_key = change.secret ? !change.secret->empty() : !document.sealed.empty();
    if (const auto address = address_of(document, *row, has_key); !address) {
        return propagate(address);
    }
    // A key belongs to the address it was given for: whoever changes only the address would have it
    // sent elsewhere.
    const bool moved = before != nullptr && before->document.base_url != document.base_url;
    if (moved && !document.sealed.empty() && !change.secret) {
        return fail(Error{
            .code = ErrorCode::unprocessable,
            .message = fmt::format("With another base_url {} needs its key again.", id),
            .word = "secret_needed",
            .remedy = "Give the key together with the address.",
        });
    }
    return document;
}

Task<Result<std::string>> CloudProviders::put(std::string id, std::string body) {
    const auto change = change_from(body);
    auto document = change ? changed_document(id, *change) : propagate(change);
    if (!document) {
        co_return propagate(document);
    }
    if (change->secret) {
        document->seeded_from.clear();
        document->sealed.clear();
        if (!change->secret->empty()) {
            auto sealed = secrets_.seal(*change->secret, key_of(kProviderDocuments, id).value);
            if (!sealed) {
                co_return propagate(sealed);
            }
            document->sealed = std::move(*sealed);
        }
    }
    std::vector<store::Write> writes;
    writes.emplace_back(
        store::PutDocument{.key = key_of(kProviderDocuments, id), .json = document_text(*document)}
    );
    const auto stored = co_await parts_.store.commit(std::move(writes));
    if (!stored) {
        co_return propagate(stored);
    }
    const Entry* before = find(id);
    const bool moved = before == nullptr || before->document.base_url != document->base_url ||
                       before->document.kind != document->kind;
    Entry& entry = insert(std::move(*document));
    if (moved) {
        entry.listed.clear();
        entry.listed_at.reset();
    }
    entry.list_error.reset();
    rebuild(entry);
    if (entry.upstream && parts_.forget_failures) {
        parts_.forget_failures(entry.upstream->id);  // a new key is tried at once
    }
    parts_.log.info("provider.configured", {{"id", id}});
    const std::string told = json_text(entry_json(entry));
    co_await parts_.changed();
    look_again();
    co_return told;
}

Task<Result<std::string>> CloudProviders::remove(std::string id) {
    if (find(id) == nullptr) {
        co_return fail(no_such_provider(id));
    }
    std::vector<store::Write> writes;
    writes.emplace_back(store::DeleteDocument{.key = key_of(kProviderDocuments, id)});
    writes.emplace_back(store::DeleteDocument{.key = key_of(kProviderLists, id)});
    const auto removed = co_await parts_.store.commit(std::move(writes));
    if (!removed) {
        co_return propagate(removed);
    }
    std::erase_if(entries_, [&id](const auto& entry) { return entry->document.id == id; });
    parts_.log.info("provider.removed", {{"id", id}});
    co_await parts_.changed();
    co_return json_text(Json{{"status", "removed"}, {"id", id}});
}

Task<Result<std::string>> CloudProviders::test(std::string id) {
    Entry* entry = find(id);
    if (entry == nullptr) {
        co_return fail(no_such_provider(id));
    }
    if (entry->unusable) {
        co_return fail(*entry->unusable);
    }
    const auto permit = permit_for(*entry);
    if (!permit) {
        co_return fail(no_leave(parts_.strategy()));
    }
    const auto upstream = entry->upstream;
    const std::uint64_t version = entry->version;
    const TimePoint began = parts_.clock.now();
    auto list = co_await ask_models(*permit, line(*upstream), upstream, *entry->row);
    const bool listless = !list && list.error().word == "no_model_list";
    Result<void> answered;
    if (listless) {
        answered = co_await ask_one_token(*permit, line(*upstream), upstream);
    } else if (!list) {
        answered = propagate(list);
    }
    if (!answered) {
        answered.error().message = parts_.log.redactor().clean(answered.error().message);
    }
    const std::chrono::duration<double, std::milli> took = parts_.clock.now() - began;
    Json told{{"id", id}, {"ok", answered.has_value()}, {"latency_ms", took.count()}};
    if (!answered) {
        told["observed"] = answered.error().message;
        told["error"] = error_json(answered.error());
    } else if (listless) {
        told["observed"] =
            fmt::format("It lists no models; {} answered one token.", upstream->default_model);
    } else {
        told["models"] = list->size();
        told["observed"] = fmt::format("It lists {} models.", list->size());
    }
    co_await note_list(id, version, std::move(list));
    co_return json_text(told);
}

}  // namespace nova::app

// A provider as a person configured it: what is stored of it, and what the gateway makes of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"
#include "gateway/provider_catalog.hpp"
#include "gateway/routing_table.hpp"

namespace nova::app {

// The document provider/ID.
struct ProviderDocument {
    std::string id;
    std::string kind;  // of data/providers.json
    bool enabled = true;
    std::int64_t order = 100;                                    // the chain goes by order, then id
    std::string base_url{};                                      // empty: the row's
    std::vector<std::string> models{};                           // by hand, beside what it lists
    std::vector<std::pair<std::string, std::string>> aliases{};  // client's name, its name
    std::optional<std::string> default_model{};                  // empty optional: the row's
    std::string sealed{};                                        // the key; empty: there is none
    std::string seeded_from{};                                   // environment variable
};

// Lower-case letters, digits, - and _; no word that means something on this machine ("local",
// "ollama"). Error: unprocessable.
Result<void> check_provider_id(std::string_view id);

std::string document_text(const ProviderDocument& document);
// Error: invalid_argument.
Result<ProviderDocument> document_from(std::string_view text, const std::string& id);

// What a person changes; what is left out stays.
struct ProviderChange {
    std::optional<std::string> kind{};
    std::optional<bool> enabled{};
    std::optional<std::int64_t> order{};
    std::optional<std::string> base_url{};
    std::optional<std::vector<std::string>> models{};
    std::optional<std::vector<std::pair<std::string, std::string>>> aliases{};
    std::optional<std::string> default_model{};
    std::optional<Secret> secret{};  // an empty one removes it
};

// Error: invalid_argument, naming the member; members nobody knows are one, so that a misspelt one
// is not lost.
Result<ProviderChange> change_from(std::string_view body);
void apply(const ProviderChange& change, ProviderDocument& document);

// Where it is asked. Errors: unprocessable: no URL, no usable one, a forbidden address (contract.md
// 8), or a key that would cross a network in clear.
struct ProviderAddress {
    Endpoint endpoint;
    std::string base_path;
};

Result<ProviderAddress>
address_of(const ProviderDocument& document, const gateway::ProviderRow& row, bool has_key);

// listed: what the provider itself lists.
std::shared_ptr<const gateway::Upstream> upstream_of(
    const ProviderDocument& document, const gateway::ProviderRow& row,
    const ProviderAddress& address, const Secret& key, const std::vector<std::string>& listed
);

}  // namespace nova::app

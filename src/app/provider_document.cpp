// Reading, checking and changing a provider's document.
#include "app/provider_document.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"
#include "net/address_rules.hpp"
#include "net/http_client.hpp"

namespace nova::app {
namespace {

constexpr std::size_t kLongestId = 64;
constexpr std::size_t kLongestName = 256;
constexpr std::size_t kMostNames = 1000;
constexpr std::size_t kLongestSecret = 4096;
constexpr std::int64_t kMostOrder = 1'000'000;

// What these words mean in a routing table or in the scope of a key.
constexpr std::array<std::string_view, 9> kReserved{"local",    "embed",  "cloud",
                                                    "custom",   "none",   "ollama",
                                                    "llamacpp", "sglang", "vllm"};

using Names = std::vector<std::string>;
using Aliases = std::vector<std::pair<std::string, std::string>>;

// Names end up in headers and logs (trap 100).
bool usable_name(const Json& value) {
    if (!value.is_string()) {
        return false;
    }
    const auto& text = value.get_ref<const std::string&>();
    return !text.empty() && text.size() <= kLongestName &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
}

std::unexpected<Error> bad(std::string_view member, std::string_view wanted) {
    return fail(ErrorCode::invalid_argument, fmt::format("{} must be {}.", member, wanted));
}

Result<Names> names_from(const Json& array, std::string_view member) {
    Names names;
    for (const Json& value : array) {
        if (!usable_name(value) || names.size() == kMostNames) {
            return bad(member, "a list of names without white space");
        }
        names.push_back(value.get<std::string>());
    }
    return names;
}

Result<Aliases> aliases_from(const Json& object, std::string_view member) {
    Aliases aliases;
    for (const auto& [name, model] : object.items()) {
        if (!usable_name(Json(name)) || !usable_name(model) || aliases.size() == kMostNames) {
            return bad(member, "an object of names and the provider's models");
        }
        aliases.emplace_back(name, model.get<std::string>());
    }
    return aliases;
}

Json aliases_json(const Aliases& aliases) {
    Json object = Json::object();
    for (const auto& [name, model] : aliases) {
        object[name] = model;
    }
    return object;
}

Result<std::optional<Secret>> secret_from(const Json& body) {
    const auto at = body.find("secret");
    if (at == body.end()) {
        return std::nullopt;
    }
    if (at->is_null()) {
        return std::optional{Secret{}};
    }
    if (!at->is_string()) {
        return bad("secret", "a string, or null to remove it");
    }
    std::string text = at->get<std::string>();
    const bool sendable = std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
    if (!sendable || text.empty() || text.size() > kLongestSecret) {
        return bad("secret", "one word that a header can carry");
    }
    return std::optional{Secret{std::move(text)}};
}

Result<void> refuse_strangers(const Json& body) {
    constexpr std::array<std::string_view, 8> kKnown{"kind",          "enabled", "order",
                                                     "base_url",      "models",  "aliases",
                                                     "default_model", "secret"};
    for (const auto& [key, unused] : body.items()) {
        if (std::ranges::find(kKnown, key) == kKnown.end()) {
            return fail(
                ErrorCode::invalid_argument, fmt::format("{} is no member of a provider.", key),
                fmt::format("Members: {}.", fmt::join(kKnown, ", "))
            );
        }
    }
    return {};
}

// Both in a change and in a document.
Result<void> read_lists(JsonReader& reader, ProviderChange& change) {
    if (const Json* models = reader.array("models")) {
        auto names = names_from(*models, "models");
        if (!names) {
            return propagate(names);
        }
        change.models = std::move(*names);
    }
    if (const Json* object = reader.object("aliases")) {
        auto aliases = aliases_from(*object, "aliases");
        if (!aliases) {
            return propagate(aliases);
        }
        change.aliases = std::move(*aliases);
    }
    return {};
}

std::unexpected<Error> bad_url(std::string message, std::string remedy) {
    return fail(Error{
        .code = ErrorCode::unprocessable,
        .message = std::move(message),
        .word = "invalid_url",
        .remedy = std::move(remedy),
    });
}

}  // namespace

Result<void> check_provider_id(std::string_view id) {
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    };
    const bool reserved = std::ranges::find(kReserved, id) != kReserved.end();
    if (id.empty() || id.size() > kLongestId || !std::ranges::all_of(id, plain) ||
        id.front() == '-' || id.front() == '_' || reserved) {
        return fail(Error{
            .code = ErrorCode::unprocessable,
            .message = fmt::format(
                "A provider's id has lower-case letters, digits, - and _{}.",
                reserved ? fmt::format("; {} means something else here", id) : ""
            ),
            .word = "invalid_provider_id",
        });
    }
    return {};
}

std::string document_text(const ProviderDocument& document) {
    Json json{
        {"kind", document.kind},     {"enabled", document.enabled},
        {"order", document.order},   {"base_url", document.base_url},
        {"models", document.models}, {"aliases", aliases_json(document.aliases)},
        {"sealed", document.sealed}, {"seeded_from", document.seeded_from},
    };
    if (document.default_model) {
        json["default_model"] = *document.default_model;
    }
    return json_text(json);
}

Result<ProviderDocument> document_from(std::string_view text, const std::string& id) {
    const auto json = parse_json(text, "provider/" + id);
    if (!json) {
        return propagate(json);
    }
    JsonReader reader{*json, "provider/" + id};
    ProviderDocument document{.id = id, .kind = reader.required_text("kind")};
    document.enabled = reader.boolean("enabled").value_or(true);
    document.order = reader.integer("order").value_or(document.order);
    document.base_url = reader.text("base_url").value_or("");
    document.default_model = reader.text("default_model");
    document.sealed = reader.text("sealed").value_or("");
    document.seeded_from = reader.text("seeded_from").value_or("");
    ProviderChange lists;
    const auto read = read_lists(reader, lists);
    if (!read || reader.error()) {
        return fail(read ? *reader.error() : read.error());
    }
    document.models = std::move(lists.models).value_or(Names{});
    document.aliases = std::move(lists.aliases).value_or(Aliases{});
    return document;
}

Result<ProviderChange> change_from(std::string_view body) {
    const auto json = body.empty() ? Result<Json>{Json::object()} : parse_json(body, "The body");
    if (!json) {
        return propagate(json);
    }
    JsonReader reader{*json, "provider"};
    ProviderChange change{
        .kind = reader.text("kind"),
        .enabled = reader.boolean("enabled"),
        .order = reader.integer("order"),
        .base_url = reader.text("base_url"),
        .default_model = reader.text("default_model"),
    };
    if (reader.error()) {
        return fail(*reader.error());
    }
    if (const auto known = refuse_strangers(*json); !known) {
        return propagate(known);
    }
    if (const auto lists = read_lists(reader, change); !lists) {
        return propagate(lists);
    }
    if (change.order && (*change.order < 0 || *change.order > kMostOrder)) {
        return bad("order", fmt::format("a whole number from 0 to {}", kMostOrder));
    }
    if (change.default_model && !change.default_model->empty() &&
        !usable_name(Json(*change.default_model))) {
        return bad("default_model", "one name without white space");
    }
    auto secret = secret_from(*json);
    if (!secret) {
        return propagate(secret);
    }
    change.secret = std::move(*secret);
    if (reader.error()) {
        return fail(*reader.error());
    }
    return change;
}

void apply(const ProviderChange& change, ProviderDocument& document) {
    document.kind = change.kind.value_or(document.kind);
    document.enabled = change.enabled.value_or(document.enabled);
    document.order = change.order.value_or(document.order);
    document.base_url = change.base_url.value_or(document.base_url);
    document.models = change.models.value_or(document.models);
    document.aliases = change.aliases.value_or(document.aliases);
    if (change.default_model) {
        document.default_model = change.default_model;
    }
}

Result<ProviderAddress>
address_of(const ProviderDocument& document, const gateway::ProviderRow& row, bool has_key) {
    const std::string& text = document.base_url.empty() ? row.base_url : document.base_url;
    if (text.empty()) {
        return bad_url(
            fmt::format("{} needs a base_url.", document.id),
            row.notes.empty() ? "" : row.notes.front()
        );
    }
    const auto url = net::parse_url(text);
    if (!url) {
        return bad_url(url.error().message, "Give the root of its API, as https://host/v1.");
    }
    const Endpoint& endpoint = url->endpoint;
    if (const auto allowed = net::check_host(endpoint.host); !allowed) {
        return propagate(allowed);
    }
    if (has_key && !endpoint.tls && !net::is_private_host(endpoint.host)) {
        return bad_url(
            fmt::format("The key of {} would cross the network in clear.", document.id),
            "Use https."
        );
    }
    ProviderAddress address{.endpoint = endpoint, .base_path = url->path};
    if (address.base_path.empty()) {
        const auto own = net::parse_url(row.base_url);
        address.base_path = own ? own->path : "/v1";
    }
    return address;
}

std::shared_ptr<const gateway::Upstream> upstream_of(
    const ProviderDocument& document, const gateway::ProviderRow& row,
    const ProviderAddress& address, const Secret& key, const std::vector<std::string>& listed
) {
    auto upstream = std::make_shared<gateway::Upstream>();
    upstream->id = UpstreamId{"cloud/" + document.id};
    upstream->provider = document.id;
    upstream->where = gateway::Where::cloud;
    upstream->endpoint = address.endpoint;
    upstream->base_path = address.base_path;
    if (!key.empty()) {
        upstream->auth_header_name = row.auth_header;
        upstream->auth_header_value = Secret{row.auth_value(key.reveal())};
    }
    upstream->models = document.models;
    for (const std::string& model : listed) {
        if (std::ranges::find(document.models, model) == document.models.end()) {
            upstream->models.push_back(model);
        }
    }
    upstream->embeds = row.embeds;
    upstream->speaks = row.speaks;
    upstream->aliases = document.aliases;
    upstream->default_model = document.default_model.value_or(row.default_model);
    upstream->headers = row.headers;
    upstream->options = row.options;
    return upstream;
}

}  // namespace nova::app

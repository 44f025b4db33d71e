// The wish as JSON, and its hash.
#include "engine/backend_spec.hpp"

#include <cstdint>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"

namespace nova::engine {
namespace {

// FNV-1a, 64 bit: names a wish among the few of one installation; nothing hostile chooses it.
std::uint64_t fnv1a(std::string_view text, std::uint64_t hash = 0xcbf29ce484222325U) {
    for (const char c : text) {
        hash ^= static_cast<unsigned char>(c);
        hash *= 0x100000001b3U;
    }
    return hash;
}

}  // namespace

SpecHash hash_of(const BackendSpec& spec) {
    // Canonical: nlohmann keeps keys sorted and dump() has one form. The secret takes part by its
    // own digest, so that a new key is a new wish while the text hashed holds no secret.
    std::string canonical = json_text(to_json(spec, SecretsIn::no));
    canonical += fmt::format("\n{:016x}", fnv1a(spec.auth_header_value.reveal()));
    return {fmt::format("{:016x}", fnv1a(canonical))};
}

bool same_wish(const BackendSpec& a, const BackendSpec& b) {
    return to_json(a, SecretsIn::yes) == to_json(b, SecretsIn::yes);
}

Json to_json(const BackendSpec& spec, SecretsIn secrets) {
    Json out = Json::object();
    out["engine"] = spec.engine.value;
    out["runtime"] = spec.runtime;
    out["model"] = spec.model.value;
    out["options"] = spec.options;
    if (!spec.url.empty()) {
        out["url"] = spec.url;
    }
    if (!spec.auth_header_name.empty()) {
        out["auth_header_name"] = spec.auth_header_name;
    }
    if (secrets == SecretsIn::yes && !spec.auth_header_value.empty()) {
        out["auth_header_value"] = spec.auth_header_value.reveal();
    }
    return out;
}

Result<BackendSpec> backend_spec_from(const Json& value) {
    JsonReader in{value, "backend"};
    BackendSpec spec;
    spec.engine.value = in.required_text("engine");
    spec.runtime = in.text("runtime").value_or("auto");
    spec.model.value = in.text("model").value_or("");
    spec.url = in.text("url").value_or("");
    spec.auth_header_name = in.text("auth_header_name").value_or("");
    spec.auth_header_value = Secret{in.text("auth_header_value").value_or("")};
    const Json* options = in.object("options");
    if (in.error()) {
        return fail(*in.error());
    }
    if (options != nullptr) {
        for (const auto& [name, item] : options->items()) {
            // Clients send numbers and booleans as such; an option is a text here.
            if (item.is_string()) {
                spec.options.emplace(name, item.get<std::string>());
            } else if (item.is_number() || item.is_boolean()) {
                spec.options.emplace(name, json_text(item));
            } else {
                return fail(
                    ErrorCode::invalid_argument,
                    fmt::format("backend.options.{} must be a string, number or boolean.", name)
                );
            }
        }
    }
    return spec;
}

}  // namespace nova::engine

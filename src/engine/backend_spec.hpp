// What a user wants to run: engine + model + options. The one value a switch is about.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/json.hpp"
#include "core/secret.hpp"
#include "core/strong.hpp"

namespace nova::engine {

struct BackendSpec {
    EngineName engine;
    std::string runtime = "auto";                // auto | process | docker | external
    ModelId model;                               // as the user named it (decisions.md 2.13)
    std::map<std::string, std::string> options;  // neutral names and flag.X (decisions.md 2.16)
    std::string url;                             // custom only
    std::string auth_header_name;                // custom only: "Authorization" unless said
    Secret auth_header_value;
};

// Same wish, same hash; independent of nova's version (decisions.md 2.3): 16 hex digits.
SpecHash hash_of(const BackendSpec& spec);

bool same_wish(const BackendSpec& a, const BackendSpec& b);

enum class SecretsIn : bool { no, yes };  // yes: for the store only
Json to_json(const BackendSpec& spec, SecretsIn secrets);
Result<BackendSpec> backend_spec_from(const Json& value);

}  // namespace nova::engine

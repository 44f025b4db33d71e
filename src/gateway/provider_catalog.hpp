// The clouds nova knows by name: data/providers.json, read once.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/json.hpp"
#include "core/result.hpp"
#include "dialect/codec.hpp"

namespace nova::gateway {

struct ProviderRow {
    std::string id;
    std::string title;
    std::string base_url;  // empty: whoever configures it says it
    dialect::Dialect speaks = dialect::Dialect::openai;
    std::string auth_header = "Authorization";
    std::string auth_scheme = "Bearer";  // empty: the key stands alone
    std::vector<std::pair<std::string, std::string>> headers{};
    std::string key_variable{};  // environment variable that configures it once; empty: none
    std::string models_path = "/models";
    bool models_from_root = false;  // models_path is the host's, not below base_url
    std::string models_strip{};     // what its ids begin with and requests do not
    std::string default_model{};
    bool embeds = true;
    bool has_responses = false;
    dialect::WriteOptions options{};
    std::vector<std::string> notes{};

    // The value of the authorization header for this key.
    std::string auth_value(std::string_view key) const;
};

// The row that stands for any server with an OpenAI API; providers of it have ids of their own.
inline constexpr std::string_view kOpenAiCompatible = "openai-compatible";

class ProviderCatalog {
public:
    // What the program was built with.
    static const ProviderCatalog& embedded();
    // Error: invalid_argument with the path of the first mistake.
    static Result<ProviderCatalog> read(std::string_view text);

    const std::vector<ProviderRow>& rows() const { return rows_; }

    // nullptr when there is no such row.
    const ProviderRow* find(std::string_view id) const;

private:
    std::vector<ProviderRow> rows_;
};

// Ids of a model list, whatever its shape: {"data": […]}, {"models": […]}, a bare array (Together);
// members id or name. At most 4096 of at most 256 printable bytes, in order, each once.
// Error: upstream_failed when it is no list at all.
Result<std::vector<std::string>> model_ids_from(std::string_view body, std::string_view strip);

}  // namespace nova::gateway

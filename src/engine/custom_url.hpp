// Where a server named by its URL listens (engine "custom", decisions.md 2.18).
#pragma once

#include <string>

#include "core/result.hpp"
#include "engine/backend_spec.hpp"

namespace nova::engine {

struct CustomServer {
    Endpoint endpoint;
    std::string base_path;         // "/v1" when the URL has none
    std::string auth_header_name;  // "Authorization" unless the wish says otherwise
};

// Error: unprocessable, saying what is wrong with the URL.
Result<CustomServer> custom_server_from(const BackendSpec& spec);

}  // namespace nova::engine

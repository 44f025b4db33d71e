// The control API's routes about clouds and other endpoints.
#pragma once

#include <string>

#include "recovery/guarded_route.hpp"

namespace nova::recovery {

// What the routes need of whoever keeps the providers; JSON texts as api/openapi.yaml has them.
// Secrets go in and never come out.
class ProviderAccess {
public:
    virtual ~ProviderAccess() = default;
    virtual Task<Result<std::string>> list() = 0;
    // Error: not_found (word provider_not_found).
    virtual Task<Result<std::string>> get(std::string id) = 0;
    // Members that are left out stay as they are. Errors: invalid_argument, unprocessable, the
    // store's.
    virtual Task<Result<std::string>> put(std::string id, std::string body) = 0;
    virtual Task<Result<std::string>> remove(std::string id) = 0;
    // Asks the provider and tells what was seen. Errors: not_found; precondition (word local_only).
    virtual Task<Result<std::string>> test(std::string id) = 0;
};

// auth and providers must outlive the table.
void add_provider_routes(net::RouteTable& table, AdminAuth& auth, ProviderAccess& providers);

}  // namespace nova::recovery

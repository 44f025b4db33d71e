// Credentials are looked at before anything of the request is read or acted on.
#include "recovery/guarded_route.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/json.hpp"

namespace nova::recovery {
namespace {

// handler lives in the route table, which outlives every exchange.
Task<void> guarded(net::Exchange& exchange, AdminAuth& auth, const net::Handler& handler) {
    const auto admitted = auth.check(exchange.request().headers, exchange.peer());
    if (!admitted) {
        co_return co_await answer_error(exchange, admitted.error());
    }
    co_await handler(exchange);
}

}  // namespace

void add_guarded_route(
    net::RouteTable& table, AdminAuth& auth, std::string_view method, std::string_view pattern,
    net::Handler handler
) {
    auto shared = std::make_shared<const net::Handler>(std::move(handler));
    for (const std::string base : {"/api/v1/recovery", "/recovery-api/api/v1/recovery"}) {
        table.add(
            std::string{method}, base + std::string{pattern},
            [&auth, shared](net::Exchange& exchange) { return guarded(exchange, auth, *shared); }
        );
    }
}

Task<void> answer_json(net::Exchange& exchange, int status, const Json& value) {
    const std::string text = json_text(value);
    ignore(co_await exchange.respond(status, "application/json", text), "the client is gone");
}

Task<void> answer_error(net::Exchange& exchange, Error error) {
    ignore(co_await exchange.respond_error(error), "the client is gone");
}

std::string actor_of(const net::Exchange& exchange) {
    const std::string_view client = exchange.request().headers.find("X-Nova-Client");
    const std::array<std::string_view, 2> known{"cli", "dashboard"};
    return std::ranges::find(known, client) == known.end() ? "api" : std::string{client};
}

}  // namespace nova::recovery

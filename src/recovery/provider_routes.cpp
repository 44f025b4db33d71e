// From request to ProviderAccess and back.
#include "recovery/provider_routes.hpp"

#include <utility>

namespace nova::recovery {
namespace {

using net::Exchange;

constexpr std::size_t kMaxBody = std::size_t{256} * 1024;  // a wish is small

// JSON text, or the error.
Task<void> answer_text(Exchange& exchange, Result<std::string> text) {
    if (!text) {
        co_return co_await answer_error(exchange, text.error());
    }
    ignore(co_await exchange.respond(200, "application/json", *text), "the client is gone");
}

Task<void> get_all(Exchange& exchange, ProviderAccess& providers) {
    auto text = co_await providers.list();
    co_await answer_text(exchange, std::move(text));
}

Task<void> get_one(Exchange& exchange, ProviderAccess& providers) {
    auto text = co_await providers.get(std::string{exchange.parameter("id")});
    co_await answer_text(exchange, std::move(text));
}

Task<void> put_one(Exchange& exchange, ProviderAccess& providers) {
    auto body = co_await exchange.read_body(kMaxBody);
    if (!body) {
        co_return co_await answer_error(exchange, body.error());
    }
    auto text = co_await providers.put(std::string{exchange.parameter("id")}, std::move(*body));
    co_await answer_text(exchange, std::move(text));
}

Task<void> delete_one(Exchange& exchange, ProviderAccess& providers) {
    auto text = co_await providers.remove(std::string{exchange.parameter("id")});
    co_await answer_text(exchange, std::move(text));
}

Task<void> test_one(Exchange& exchange, ProviderAccess& providers) {
    auto text = co_await providers.test(std::string{exchange.parameter("id")});
    co_await answer_text(exchange, std::move(text));
}

}  // namespace

void add_provider_routes(net::RouteTable& table, AdminAuth& auth, ProviderAccess& providers) {
    const auto add = [&](const char* method, const char* pattern,
                         Task<void> (*body)(Exchange&, ProviderAccess&)) {
        add_guarded_route(table, auth, method, pattern, [&providers, body](Exchange& exchange) {
            return body(exchange, providers);
        });
    };
    add("GET", "/providers", get_all);
    add("GET", "/providers/{id}", get_one);
    add("PUT", "/providers/{id}", put_one);
    add("DELETE", "/providers/{id}", delete_one);
    add("POST", "/providers/{id}/test", test_one);
}

}  // namespace nova::recovery

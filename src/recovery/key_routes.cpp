// Handlers of the API keys.
#include "recovery/key_routes.hpp"

#include <utility>

#include <nlohmann/json.hpp>

#include "recovery/guarded_route.hpp"

namespace nova::recovery {
namespace {

constexpr std::size_t kMaxBody = std::size_t{64} * 1024;

Task<void> list_keys(net::Exchange& exchange, const KeyBook& keys) {
    Json rows = Json::array();
    for (const KeyRecord& key : keys.keys()) {
        rows.push_back(key_json(key));
    }
    co_await answer_json(exchange, 200, Json{{"keys", std::move(rows)}});
}

// The only answer that ever has the key in it.
Task<void> create_key(net::Exchange& exchange, KeyBook& keys, const Clock& clock) {
    const auto body = co_await exchange.read_body(kMaxBody);
    auto wish = body ? key_wish_from(*body, clock.wall_now()) : propagate(body);
    if (!wish) {
        co_return co_await answer_error(exchange, wish.error());
    }
    auto created = co_await keys.create(std::move(*wish), actor_of(exchange));
    if (!created) {
        co_return co_await answer_error(exchange, created.error());
    }
    Json answer = key_json(created->record);
    answer["key"] = created->text.reveal();
    co_await answer_json(exchange, 201, answer);
}

Task<void> revoke_key(net::Exchange& exchange, KeyBook& keys) {
    const std::string id{exchange.parameter("id")};
    const auto revoked = co_await keys.revoke(id, actor_of(exchange));
    if (!revoked) {
        co_return co_await answer_error(exchange, revoked.error());
    }
    co_await answer_json(exchange, 200, Json{{"status", "revoked"}, {"id", id}});
}

}  // namespace

void add_key_routes(net::RouteTable& table, AdminAuth& auth, KeyBook& keys, const Clock& clock) {
    add_guarded_route(table, auth, "GET", "/keys", [&keys](net::Exchange& exchange) {
        return list_keys(exchange, keys);
    });
    add_guarded_route(table, auth, "POST", "/keys", [&keys, &clock](net::Exchange& exchange) {
        return create_key(exchange, keys, clock);
    });
    add_guarded_route(table, auth, "DELETE", "/keys/{id}", [&keys](net::Exchange& exchange) {
        return revoke_key(exchange, keys);
    });
}

}  // namespace nova::recovery

// A store that is durable when it says so: what it was told and did not confirm before nova was
// killed is lost, or is there, as the dice fall.
#include <utility>

#include "life.hpp"

namespace nova::sim {

Task<std::optional<Error>> SimStore::refused(std::string_view border) {
    World& world = life_.world;
    const Crossing crossing = co_await world.reach(life_, border);
    if (!crossing.alive) {
        co_return Error{.code = ErrorCode::unavailable, .message = "nova is dead."};
    }
    if (crossing.mishap == Mishap::fails || world.troubled(Act::store_away)) {
        co_return Error{.code = ErrorCode::unavailable, .message = "The store is away."};
    }
    if (crossing.mishap == Mishap::lies || world.troubled(Act::store_conflict)) {
        co_return Error{.code = ErrorCode::conflict, .message = "Somebody else wrote."};
    }
    co_return std::nullopt;
}

Task<Result<store::Committed>> SimStore::commit(std::vector<store::Write> writes) {
    auto error = co_await refused("store.commit");
    if (error) {
        life_.store_failed = true;
        co_return fail(std::move(*error));
    }
    auto committed = co_await life_.world.ledger.commit(std::move(writes));
    const Crossing after = co_await life_.world.reach(life_, "store.committed");
    if (!after.alive) {
        co_return fail(ErrorCode::unavailable, "nova is dead.");
    }
    life_.store_failed = !committed;
    co_return committed;
}

Task<Result<std::optional<store::Entry>>> SimStore::get(store::Key key) {
    auto error = co_await refused("store.get");
    if (error) {
        co_return fail(std::move(*error));
    }
    co_return co_await life_.world.ledger.store.get(std::move(key));
}

Task<Result<std::vector<store::Entry>>> SimStore::list(std::string key_prefix) {
    auto error = co_await refused("store.list");
    if (error) {
        co_return fail(std::move(*error));
    }
    co_return co_await life_.world.ledger.store.list(std::move(key_prefix));
}

Task<Result<std::vector<store::OperationRow>>> SimStore::operations(std::size_t limit) {
    auto error = co_await refused("store.operations");
    if (error) {
        co_return fail(std::move(*error));
    }
    co_return co_await life_.world.ledger.store.operations(limit);
}

Task<Result<std::optional<store::OperationRow>>> SimStore::operation(OperationId id) {
    auto error = co_await refused("store.operation");
    if (error) {
        co_return fail(std::move(*error));
    }
    co_return co_await life_.world.ledger.store.operation(std::move(id));
}

Task<Result<std::vector<store::EventRow>>>
SimStore::events_after(std::uint64_t id, std::size_t limit) {
    return life_.world.ledger.store.events_after(id, limit);
}

Task<Result<std::size_t>> SimStore::prune(WallTime before) {
    return life_.world.ledger.store.prune(before);
}

}  // namespace nova::sim

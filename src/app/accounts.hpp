// Keys and usage put together: who may use the gateway, and what they used.
#pragma once

#include <memory>
#include <optional>

#include "app/data_plane.hpp"
#include "app/key_publisher.hpp"
#include "app/usage_drain.hpp"
#include "config/settings.hpp"
#include "core/log.hpp"
#include "core/task_group.hpp"
#include "net/route_table.hpp"
#include "recovery/admin_auth.hpp"
#include "recovery/key_book.hpp"
#include "recovery/usage_routes.hpp"
#include "store/data_directory.hpp"
#include "store/usage_ledger.hpp"

namespace nova::app {

// All members on the control thread.
class Accounts {
public:
    // All of it outlives the object.
    struct Parts {
        asio::any_io_executor executor;
        Clock& clock;
        Log& log;
        store::StateStore& store;
        lifecycle::EventFeed& feed;
        const config::Settings& settings;
        const store::DataDirectory& directory;
        recovery::AdminAuth& auth;
        DataPlane& plane;
    };

    // Opens the ledger; nova runs without one when its file is not usable, and says so.
    explicit Accounts(Parts parts);

    // Before the plane starts: from then on its workers go by the stored keys. A gateway that
    // listens beyond this machine without any key gets its first one, in DIR/api-key (decisions.md
    // 2.28). Errors: the store's; precondition: that file is there and its key is not.
    Task<Result<void>> load(const Endpoint& gateway_listen);
    void add_routes(net::RouteTable& table);
    void start(TaskGroup& tasks);
    // After the workers have ended: what they queued last.
    Task<void> finish();

    // Somebody's queue fills.
    void drain_soon() { drain_.call(); }

    const Secret& internal_key() const { return publisher_.internal_key(); }

private:
    static std::unique_ptr<store::UsageLedger> open_ledger(const Parts& parts);
    Task<Result<void>> make_first_key();

    Parts parts_;
    std::unique_ptr<store::UsageLedger> ledger_;
    KeyPublisher publisher_;
    recovery::KeyBook keys_;
    UsageDrain drain_;
    recovery::UsageParts usage_;
};

}  // namespace nova::app

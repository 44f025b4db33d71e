// Wiring of keys, ledger and their routes.
#include "app/accounts.hpp"

#include <chrono>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

#include "recovery/key_routes.hpp"
#include "store/files.hpp"

namespace nova::app {
namespace {

AccessLog access_log_of(const config::Settings& settings) {
    const std::string& word = settings.text("gateway.access_log");
    if (word == "off") {
        return AccessLog::off;
    }
    return word == "failures" ? AccessLog::failures : AccessLog::all;
}

std::chrono::days days_kept(const config::Settings& settings) {
    return std::chrono::days{settings.integer("usage.keep_days")};
}

Task<std::vector<recovery::RunningRequest>> running_requests(DataPlane& plane) {
    auto running = co_await plane.running_requests();
    std::vector<recovery::RunningRequest> list;
    for (gateway::RunningRequest& request : running) {
        list.push_back({
            .id = std::move(request.id),
            .route = std::move(request.route),
            .model = std::move(request.model),
            .provider = std::move(request.provider),
            .key_id = std::move(request.key_id),
            .key_name = std::move(request.key_name),
            .phase = std::move(request.phase),
            .since = request.since,
            .bytes = request.bytes,
        });
    }
    co_return list;
}

}  // namespace

std::unique_ptr<store::UsageLedger> Accounts::open_ledger(const Parts& parts) {
    if (days_kept(parts.settings).count() == 0) {
        return nullptr;
    }
    auto ledger = store::UsageLedger::open(parts.directory.file("usage.db"));
    if (!ledger) {
        parts.log.error(
            "usage.no_ledger",
            {{"detail", ledger.error().message}, {"remedy", ledger.error().remedy}}
        );
        return nullptr;
    }
    return *std::move(ledger);
}

Accounts::Accounts(Parts parts)
    : parts_{std::move(parts)}, ledger_{open_ledger(parts_)}, publisher_{parts_.plane},
      keys_{{
          .store = parts_.store,
          .feed = parts_.feed,
          .clock = parts_.clock,
          .mint = &mint_key,
          .publish = [this](const std::vector<recovery::KeyRecord>& keys
                     ) { return publisher_.publish(keys); },
      }},
      drain_{{
          .executor = parts_.executor,
          .clock = parts_.clock,
          .log = parts_.log,
          .figures = parts_.plane.metrics().ledger,
          .queues = parts_.plane.usage_queues(),
          .ledger = ledger_.get(),
          .access_log = access_log_of(parts_.settings),
          .keep = days_kept(parts_.settings),
      }},
      usage_{
          .auth = parts_.auth,
          .clock = parts_.clock,
          .ledger = ledger_.get(),
          .running = [this] { return running_requests(parts_.plane); },
      } {
    parts_.log.redactor().add_secret(internal_key().reveal());
}

Task<Result<void>> Accounts::load(const Endpoint& gateway_listen) {
    const auto strange = co_await keys_.load();
    if (!strange) {
        co_return propagate(strange);
    }
    for (const std::string& id : *strange) {
        parts_.log.warn("keys.ignored", {{"id", id}});
    }
    if (keys_.keys().empty() && !config::is_loopback(gateway_listen)) {
        co_return co_await make_first_key();
    }
    co_return Result<void>{};
}

Task<Result<void>> Accounts::make_first_key() {
    const std::string path = parts_.directory.file("api-key");
    if (::access(path.c_str(), F_OK) == 0) {
        co_return fail(
            ErrorCode::precondition,
            fmt::format(
                "The gateway would be open to the network without any API key: the one in {} was "
                "revoked.",
                path
            ),
            "Remove that file and start again: nova makes a new one. Or listen on 127.0.0.1."
        );
    }
    recovery::KeyWish wish;
    wish.name = "first key";
    auto created = co_await keys_.create(std::move(wish), "nova");
    if (!created) {
        co_return propagate(created);
    }
    const auto written = store::write_file_atomically(path, created->text.reveal() + "\n");
    if (!written) {
        // Without its text the key is of no use to anybody.
        ignore(co_await keys_.revoke(created->record.id, "nova"), "the write is what failed");
        co_return propagate(written);
    }
    parts_.log.info("keys.first", {{"file", path}, {"id", created->record.id}});
    co_return Result<void>{};
}

void Accounts::add_routes(net::RouteTable& table) {
    recovery::add_key_routes(table, parts_.auth, keys_, parts_.clock);
    recovery::add_usage_routes(table, usage_);
}

void Accounts::start(TaskGroup& tasks) {
    tasks.spawn("usage drain", drain_.run());
}

Task<void> Accounts::finish() {
    co_await drain_.drain();
}

}  // namespace nova::app

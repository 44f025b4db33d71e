// The clouds a person configured: kept in the store, turned into upstreams, their lists kept fresh.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "app/cloud_request.hpp"
#include "app/provider_document.hpp"
#include "app/provider_secrets.hpp"
#include "core/log.hpp"
#include "recovery/provider_routes.hpp"
#include "store/state_store.hpp"

namespace nova::app {

// Control thread only. Every connection it opens has a LeavePermit: none under local-only.
class CloudProviders final : public recovery::ProviderAccess {
public:
    // What it refers to outlives it.
    struct Parts {
        asio::any_io_executor executor;
        Clock& clock;
        Log& log;
        store::StateStore& store;
        std::string key_file;
        std::function<gateway::Strategy()> strategy;
        // upstreams() says something else now; returns when everybody routes by it.
        std::function<Task<void>()> changed;
        // How requests to it stand (a breaker's state), and that its past says nothing any more;
        // both may be empty.
        std::function<std::string_view(const UpstreamId&)> circuit{};
        std::function<void(const UpstreamId&)> forget_failures{};
    };

    explicit CloudProviders(Parts parts);
    ~CloudProviders() override;
    CloudProviders(const CloudProviders&) = delete;
    CloudProviders& operator=(const CloudProviders&) = delete;

    // Reads what is stored; a key of the environment makes its provider, once: a provider that was
    // removed does not come back. Error: the store's.
    Task<Result<void>> load(std::vector<std::pair<std::string_view, Secret>> keys);

    // Enabled and usable ones, in the chain's order.
    std::vector<std::shared_ptr<const gateway::Upstream>> upstreams() const;

    // Asks for lists that are old, until cancelled.
    Task<void> keep_fresh();
    // Somebody asked for a model nobody knows: lists may be old. Returns when keep_fresh() has
    // asked for them anew; at most twice a minute, else at once.
    Task<void> missed();
    // The mode or a setting changed: what was not allowed may be now.
    void look_again();

    Task<Result<std::string>> list() override;
    Task<Result<std::string>> get(std::string id) override;
    Task<Result<std::string>> put(std::string id, std::string body) override;
    Task<Result<std::string>> remove(std::string id) override;
    Task<Result<std::string>> test(std::string id) override;

private:
    struct Entry;

    Entry* find(std::string_view id) const;
    void rebuild(Entry& entry);
    Entry& insert(ProviderDocument document);
    void sort();
    Task<Result<void>> load_list(Entry& entry);
    Task<Result<void>> seed(std::string_view variable, Secret key);
    Task<Result<void>> store_document(Entry& entry, std::vector<store::Write> more = {});
    Result<ProviderDocument> changed_document(const std::string& id, const ProviderChange& change);
    std::optional<gateway::LeavePermit> permit_for(const Entry& entry) const;
    CloudLine line(const gateway::Upstream& upstream);
    // Asks for the list and keeps the answer. The entry may be gone or another when it returns.
    Task<Result<void>> refresh(std::string id);
    Task<void>
    note_list(std::string id, std::uint64_t version, Result<std::vector<std::string>> list);
    std::string next_due();
    TimePoint next_look() const;
    Json entry_json(const Entry& entry) const;

    Parts parts_;
    ProviderSecrets secrets_;
    std::vector<std::unique_ptr<Entry>> entries_;  // in the chain's order
    std::unique_ptr<net::TlsClient> tls_;  // made on first need: it reads the system's roots
    asio::steady_timer poke_;
    asio::steady_timer settled_;  // keep_fresh() has nothing to ask for any more
    TimePoint last_miss_{};
    std::uint64_t versions_ = 0;
};

}  // namespace nova::app

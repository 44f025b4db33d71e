// Documents, lists and tests of providers.
#include "app/cloud_providers.hpp"

#include <algorithm>
#include <tuple>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/cloud_provider_entry.hpp"
#include "core/json.hpp"

namespace nova::app {
namespace {

using namespace std::chrono_literals;
using gateway::ProviderCatalog;
using gateway::ProviderRow;

constexpr std::string_view kSeeds = "provider-seed/";

constexpr auto kListAge = 1h;
constexpr auto kLastRetry = 30min;
constexpr auto kMissPause = 30s;
constexpr auto kIdleLook = 1h;  // with nothing due; a poke ends it sooner

Error needs_key(const ProviderDocument& document, const ProviderRow& row) {
    return Error{
        .code = ErrorCode::precondition,
        .message = fmt::format("{} needs a key.", document.id),
        .word = "no_key",
        .remedy = fmt::format(
            "Give it with nova providers add {} --key-file FILE, or {} at the first start.",
            document.id, row.key_variable
        ),
    };
}

}  // namespace

Error no_leave(gateway::Strategy strategy) {
    const bool local_only = strategy == gateway::Strategy::local_only;
    return Error{
        .code = ErrorCode::precondition,
        .message = local_only ? "The mode is local-only: nova opens no connection to a cloud."
                              : "No connection to that provider is allowed.",
        .word = local_only ? "local_only" : "not_allowed",
        .remedy = "Leave the mode with: nova mode hybrid",
    };
}

CloudProviders::CloudProviders(Parts parts)
    : parts_{std::move(parts)}, secrets_{parts_.key_file, parts_.log}, poke_{parts_.executor},
      settled_{parts_.executor, asio::steady_timer::time_point::max()} {}

CloudProviders::~CloudProviders() = default;

CloudProviders::Entry* CloudProviders::find(std::string_view id) const {
    const auto at = std::ranges::find_if(entries_, [id](const auto& entry) {
        return entry->document.id == id;
    });
    return at == entries_.end() ? nullptr : at->get();
}

void CloudProviders::sort() {
    std::ranges::sort(entries_, [](const auto& a, const auto& b) {
        return std::tie(a->document.order, a->document.id) <
               std::tie(b->document.order, b->document.id);
    });
}

CloudProviders::Entry& CloudProviders::insert(ProviderDocument document) {
    Entry* entry = find(document.id);
    if (entry == nullptr) {
        entries_.push_back(std::make_unique<Entry>());
        entry = entries_.back().get();
    }
    entry->document = std::move(document);
    entry->version = ++versions_;
    entry->due = {};
    entry->pause = kFirstListRetry;
    sort();
    return *entry;
}

// From the document to what the gateway routes by.
void CloudProviders::rebuild(Entry& entry) {
    entry.upstream.reset();
    entry.unusable.reset();
    entry.key = {};
    const ProviderDocument& document = entry.document;
    entry.row = ProviderCatalog::embedded().find(document.kind);
    if (entry.row == nullptr) {
        entry.unusable = Error{
            .code = ErrorCode::precondition,
            .message = fmt::format("This nova knows no kind of provider {}.", document.kind),
        };
        return;
    }
    if (!document.sealed.empty()) {
        auto key = secrets_.open(document.sealed, key_of(kProviderDocuments, document.id).value);
        if (!key) {
            entry.unusable = key.error();
            return;
        }
        entry.key = std::move(*key);
    } else if (!entry.row->key_variable.empty()) {
        entry.unusable = needs_key(document, *entry.row);
        return;
    }
    const auto address = address_of(document, *entry.row, !entry.key.empty());
    if (!address) {
        entry.unusable = address.error();
        return;
    }
    entry.upstream = upstream_of(document, *entry.row, *address, entry.key, entry.listed);
}

Task<Result<void>> CloudProviders::load_list(Entry& entry) {
    const auto stored = co_await parts_.store.get(key_of(kProviderLists, entry.document.id));
    if (!stored) {
        co_return propagate(stored);
    }
    if (*stored) {
        const auto models = gateway::model_ids_from((*stored)->json, "");
        entry.listed = models ? *models : std::vector<std::string>{};
    }
    co_return Result<void>{};
}

Task<Result<void>> CloudProviders::load(std::vector<std::pair<std::string_view, Secret>> keys) {
    const auto rows = co_await parts_.store.list(std::string{kProviderDocuments});
    if (!rows) {
        co_return propagate(rows);
    }
    for (const store::Entry& row : *rows) {
        const std::string id = row.key.value.substr(kProviderDocuments.size());
        auto document = document_from(row.json, id);
        if (!document) {
            parts_.log.warn("provider.ignored", {{"id", id}, {"detail", document.error().message}});
            continue;
        }
        Entry& entry = insert(std::move(*document));
        if (const auto list = co_await load_list(entry); !list) {
            co_return propagate(list);
        }
        rebuild(entry);
    }
    for (auto& [variable, key] : keys) {
        if (const auto seeded = co_await seed(variable, std::move(key)); !seeded) {
            co_return propagate(seeded);
        }
    }
    co_return Result<void>{};
}

Task<Result<void>> CloudProviders::seed(std::string_view variable, Secret key) {
    parts_.log.redactor().add_secret(key.reveal());
    const auto& rows = ProviderCatalog::embedded().rows();
    const auto row = std::ranges::find(rows, variable, &ProviderRow::key_variable);
    if (row == rows.end()) {
        co_return Result<void>{};
    }
    const auto before = co_await parts_.store.get(key_of(kSeeds, row->id));
    if (!before) {
        co_return propagate(before);
    }
    if (*before || find(row->id) != nullptr) {
        co_return Result<void>{};
    }
    ProviderDocument document{.id = row->id, .kind = row->id};
    document.seeded_from = variable;
    auto sealed = secrets_.seal(key, key_of(kProviderDocuments, row->id).value);
    if (!sealed) {
        // Without a place for its key nova still serves what it can.
        parts_.log.warn(
            "provider.not_seeded", {{"id", row->id}, {"detail", sealed.error().message}}
        );
        co_return Result<void>{};
    }
    document.sealed = std::move(*sealed);
    Entry& entry = insert(std::move(document));
    std::vector<store::Write> more;
    more.emplace_back(store::PutDocument{
        .key = key_of(kSeeds, row->id), .json = json_text(Json{{"variable", variable}})
    });
    if (const auto stored = co_await store_document(entry, std::move(more)); !stored) {
        co_return propagate(stored);
    }
    rebuild(entry);
    parts_.log.info("provider.seeded", {{"id", row->id}, {"variable", std::string{variable}}});
    co_return Result<void>{};
}

Task<Result<void>> CloudProviders::store_document(Entry& entry, std::vector<store::Write> more) {
    more.emplace_back(store::PutDocument{
        .key = key_of(kProviderDocuments, entry.document.id), .json = document_text(entry.document)
    });
    const auto committed = co_await parts_.store.commit(std::move(more));
    co_return committed ? Result<void>{} : propagate(committed);
}

std::vector<std::shared_ptr<const gateway::Upstream>> CloudProviders::upstreams() const {
    std::vector<std::shared_ptr<const gateway::Upstream>> chain;
    for (const auto& entry : entries_) {
        if (entry->upstream && entry->document.enabled) {
            chain.push_back(entry->upstream);
        }
    }
    return chain;
}

// ---- lists

std::optional<gateway::LeavePermit> CloudProviders::permit_for(const Entry& entry) const {
    gateway::RoutingTable table;
    table.strategy = parts_.strategy();
    return entry.upstream ? gateway::leave_permit(table, nullptr, *entry.upstream) : std::nullopt;
}

CloudLine CloudProviders::line(const gateway::Upstream& upstream) {
    if (upstream.endpoint.tls && !tls_) {
        tls_ = std::make_unique<net::TlsClient>();
    }
    return {.clock = parts_.clock, .tls = tls_.get()};
}

std::string CloudProviders::next_due() {
    const TimePoint now = parts_.clock.now();
    for (const auto& entry : entries_) {
        if (entry->document.enabled && entry->due <= now && permit_for(*entry)) {
            return entry->document.id;
        }
    }
    return {};
}

TimePoint CloudProviders::next_look() const {
    TimePoint at = parts_.clock.now() + kIdleLook;
    for (const auto& entry : entries_) {
        if (entry->document.enabled && permit_for(*entry)) {
            at = std::min(at, entry->due);
        }
    }
    return at;
}

Task<void> CloudProviders::keep_fresh() {
    for (;;) {
        for (std::string id = next_due(); !id.empty(); id = next_due()) {
            const auto fresh = co_await refresh(id);
            if (!fresh) {
                parts_.log.info(
                    "provider.no_list", {{"id", id}, {"detail", fresh.error().message}}
                );
            }
        }
        settled_.cancel();
        poke_.expires_at(next_look());
        boost::system::error_code poked;
        co_await poke_.async_wait(asio::redirect_error(asio::use_awaitable, poked));
    }
}

void CloudProviders::look_again() {
    poke_.cancel();
}

Task<void> CloudProviders::missed() {
    const TimePoint now = parts_.clock.now();
    const bool just_done = last_miss_ != TimePoint{} && now - last_miss_ < kMissPause;
    const bool any = std::ranges::any_of(entries_, [this](const auto& entry) {
        return entry->document.enabled && permit_for(*entry);
    });
    if (just_done || !any) {
        co_return;
    }
    last_miss_ = now;
    for (const auto& entry : entries_) {
        entry->due = {};
    }
    look_again();
    boost::system::error_code settled;
    co_await settled_.async_wait(asio::redirect_error(asio::use_awaitable, settled));
}

Task<Result<void>> CloudProviders::refresh(std::string id) {
    Entry* const entry = find(id);
    const auto permit = entry == nullptr ? std::nullopt : permit_for(*entry);
    if (!permit) {
        co_return fail(no_leave(parts_.strategy()));
    }
    const std::uint64_t version = entry->version;
    // Not again before the answer is there, whatever it will be.
    entry->due = parts_.clock.now() + kIdleLook;
    auto list = co_await ask_models(*permit, line(*entry->upstream), entry->upstream, *entry->row);
    Result<void> outcome;
    if (!list) {
        outcome = propagate(list);
    }
    co_await note_list(std::move(id), version, std::move(list));
    co_return outcome;
}

Task<void> CloudProviders::note_list(
    std::string id, std::uint64_t version, Result<std::vector<std::string>> list
) {
    Entry* const entry = find(id);
    if (entry == nullptr || entry->version != version) {
        co_return;  // of a provider that is another one by now
    }
    const TimePoint now = parts_.clock.now();
    const bool has_none = !list && list.error().word == "no_model_list";
    if (!list && !has_none) {
        entry->list_error = list.error();
        // It may quote the key.
        entry->list_error->message = parts_.log.redactor().clean(list.error().message);
        entry->due = now + std::chrono::duration_cast<TimePoint::duration>(entry->pause);
        entry->pause = std::min<std::chrono::nanoseconds>(entry->pause * 2, kLastRetry);
        co_return;
    }
    entry->list_error.reset();
    entry->pause = kFirstListRetry;
    entry->due = now + kListAge;
    entry->listed_at = parts_.clock.wall_now();
    if (has_none || *list == entry->listed) {
        co_return;
    }
    entry->listed = std::move(*list);
    rebuild(*entry);
    std::vector<store::Write> writes;
    writes.emplace_back(store::PutDocument{
        .key = key_of(kProviderLists, id), .json = json_text(Json{{"models", entry->listed}})
    });
    // First what serves: the workers know a model about when the control plane names it, and do
    // not wait for a disk.
    co_await parts_.changed();
    const auto stored = co_await parts_.store.commit(std::move(writes));
    if (!stored) {
        parts_.log.warn(
            "provider.list_not_stored", {{"id", id}, {"detail", stored.error().message}}
        );
    }
}

}  // namespace nova::app

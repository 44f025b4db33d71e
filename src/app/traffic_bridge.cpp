// The only file that includes both planes.
#include "app/traffic_bridge.hpp"

#include <algorithm>
#include <utility>

#include "lifecycle/slots.hpp"

namespace nova::app {
namespace {

// Whoever asks for activity asks about an instance that runs; both slots have at most two.
constexpr std::size_t kRememberedUpstreams = 16;

lifecycle::TrafficActivity reading_of(const gateway::UpstreamMeters& meters) {
    lifecycle::TrafficActivity sum;
    TimePoint::rep last_use = 0;
    for (const gateway::UpstreamMeter& meter : meters) {
        sum.leases += static_cast<std::size_t>(meter.leases.load(std::memory_order_relaxed));
        sum.requests += meter.requests.load(std::memory_order_relaxed);
        sum.bytes += meter.bytes.load(std::memory_order_relaxed);
        last_use = std::max(last_use, meter.last_use.load(std::memory_order_relaxed));
    }
    if (last_use != 0) {
        sum.last_use = TimePoint{TimePoint::duration{last_use}};
    }
    return sum;
}

}  // namespace

gateway::RoutingTable routing_table_from(
    const lifecycle::SlotView& view, Epoch epoch, std::shared_ptr<gateway::UpstreamMeters> meters
) {
    gateway::RoutingTable table;
    table.epoch = epoch;
    table.slot = view.slot;
    table.parked = view.parked;
    table.wanted_provider = view.provider;
    table.known_models = view.known_models;
    table.error = view.error;
    if (view.loading) {
        table.loading = gateway::Loading{
            .phase = view.loading->phase,
            .progress = view.loading->progress,
            .eta_s = view.loading->eta_s,
        };
    }
    if (view.open) {
        auto upstream = std::make_shared<gateway::Upstream>();
        upstream->id = view.open->id;
        upstream->provider = view.open->provider;
        upstream->endpoint = view.open->endpoint;
        upstream->base_path = view.open->base_path;
        upstream->auth_header_name = view.open->auth_header_name;
        upstream->auth_header_value = view.open->auth_header_value;
        upstream->models = view.open->models;
        upstream->models_known = view.open->models_known;
        upstream->meters = std::move(meters);
        upstream->embeds = view.open->embeds;
        if (view.open->provider == "ollama") {
            // By its own API: its /v1 drops the context size, keep_alive and tool_choice, and
            // swallows errors in a stream (traps 80, 81).
            upstream->speaks = dialect::Dialect::ollama;
            upstream->base_path.clear();
        }
        // Others say it unasked (llama.cpp's timings), or are somebody's own server whose bytes
        // are left as they are (decisions.md 3).
        upstream->options.include_usage =
            view.open->provider == "vllm" || view.open->provider == "sglang";
        // Who stands in for a cloud answers with what it has; names nobody lists are no default.
        if (upstream->models_known && !upstream->models.empty()) {
            upstream->default_model = upstream->models.front();
        }
        table.local = std::move(upstream);
    }
    return table;
}

gateway::RoutingTable routing_table_from(
    const lifecycle::SlotView& local, const lifecycle::SlotView& embed, const EmbedsRule& embeds,
    Epoch epoch, const MetersOf& meters_of
) {
    const auto meters = [&meters_of](const lifecycle::SlotView& view) {
        return view.open && meters_of ? meters_of(view.open->id) : nullptr;
    };
    gateway::RoutingTable table = routing_table_from(local, epoch, meters(local));
    table.local_embeds = table.local ? table.local->embeds : embeds(local.provider);
    // Nothing wanted there: its last models are unknown names again, not ones to wait for.
    if (embed.open || (!embed.provider.empty() && embed.provider != "none")) {
        table.embed = std::make_shared<const gateway::RoutingTable>(
            routing_table_from(embed, epoch, meters(embed))
        );
    }
    return table;
}

bool TrafficBridge::open() const {
    return std::ranges::any_of(views_, [](const auto& entry) {
        return entry.second.open.has_value();
    });
}

bool TrafficBridge::can_answer() const {
    const bool here = choices_.strategy != gateway::Strategy::cloud_only && open();
    return here || (choices_.strategy != gateway::Strategy::local_only && !choices_.clouds.empty());
}

gateway::Strategy gateway_strategy_from(std::string_view word) {
    if (word == "cloud-first") {
        return gateway::Strategy::cloud_first;
    }
    if (word == "local-only") {
        return gateway::Strategy::local_only;
    }
    return word == "cloud-only" ? gateway::Strategy::cloud_only : gateway::Strategy::local_first;
}

std::vector<gateway::Alias> gateway_aliases_from(
    const std::vector<std::pair<std::string, std::string>>& pairs,
    const std::vector<std::shared_ptr<const gateway::Upstream>>& clouds
) {
    std::vector<gateway::Alias> aliases;
    for (const auto& [name, model] : pairs) {
        gateway::Alias alias{.name = name, .provider = {}, .model = model};
        const auto slash = model.find('/');
        const std::string prefix = model.substr(0, slash == std::string::npos ? 0 : slash);
        const bool of_a_cloud = std::ranges::any_of(clouds, [&prefix](const auto& cloud) {
            return cloud->provider == prefix;
        });
        if (!prefix.empty() && (of_a_cloud || prefix == "local")) {
            alias.provider = prefix;
            alias.model = model.substr(slash + 1);
        }
        aliases.push_back(std::move(alias));
    }
    return aliases;
}

std::shared_ptr<const gateway::RoutingTable> TrafficBridge::next_table() {
    ++epoch_.value;
    gateway::RoutingTable table = routing_table_from(
        views_[SlotName{std::string{lifecycle::kLocalSlot}}],
        views_[SlotName{std::string{lifecycle::kEmbedSlot}}], embeds_, epoch_,
        [this](const UpstreamId& upstream) { return meters_of(upstream); }
    );
    table.looks = looks_;
    table.strategy = choices_.strategy;
    table.clouds = choices_.clouds;
    table.aliases = choices_.aliases;
    return std::make_shared<const gateway::RoutingTable>(std::move(table));
}

Task<void> TrafficBridge::choose(RoutingChoices choices) {
    choices_ = std::move(choices);
    co_await plane_.publish(next_table());
}

Task<void> TrafficBridge::looked() {
    ++looks_;
    co_await plane_.publish(next_table());
}

// From the view to the messages for the workers nothing waits: publications of two slots reach
// every worker in the order of their epochs, and each holds the newest view of both.
Task<Result<Epoch>> TrafficBridge::publish(lifecycle::SlotView view) {
    if (view.loading && !view.loading->eta_s) {
        view.loading->eta_s = etas_[view.slot].note(
            view.loading->phase, view.loading->progress, plane_.clock().now()
        );
    }
    const SlotName slot = view.slot;
    views_.insert_or_assign(slot, std::move(view));
    auto table = next_table();
    const Epoch epoch = table->epoch;
    co_await plane_.publish(std::move(table));
    co_return epoch;
}

Task<std::size_t> TrafficBridge::drained(UpstreamId upstream, Deadline deadline) {
    co_return co_await plane_.drained(std::move(upstream), deadline);
}

Task<void> TrafficBridge::cut(UpstreamId upstream) {
    co_await plane_.cut(std::move(upstream));
}

std::shared_ptr<gateway::UpstreamMeters> TrafficBridge::meters_of(const UpstreamId& upstream) {
    const auto known =
        std::ranges::find(meters_, upstream, [](const auto& it) { return it.first; });
    if (known != meters_.end()) {
        return known->second;
    }
    if (meters_.size() >= kRememberedUpstreams) {
        meters_.erase(meters_.begin());
    }
    auto meters = std::make_shared<gateway::UpstreamMeters>(plane_.counters().size());
    meters_.emplace_back(upstream, meters);
    return meters;
}

lifecycle::TrafficActivity TrafficBridge::activity(const UpstreamId& upstream) const {
    const auto known =
        std::ranges::find(meters_, upstream, [](const auto& it) { return it.first; });
    return known == meters_.end() ? lifecycle::TrafficActivity{} : reading_of(*known->second);
}

}  // namespace nova::app

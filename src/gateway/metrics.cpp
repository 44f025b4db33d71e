// From a record to its series.
#include "gateway/metrics.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/error.hpp"

namespace nova::gateway {
namespace {

using Seconds = std::chrono::duration<double>;

// Finer words than the codes' own that nova gives errors by itself. What an upstream calls its
// errors is not among them.
constexpr std::array<std::string_view, 6> kFinerWords{
    "backend_switched",  "upstream_auth_error", "upstream_broken_answer",
    "upstream_redirect", "circuit_open",        "credentials",
};

std::uint8_t operation_of(std::string_view word) {
    const auto it = std::ranges::find(kOperations, word);
    const auto at = it == kOperations.end() ? kOperations.size() - 1
                                            : static_cast<std::size_t>(it - kOperations.begin());
    return static_cast<std::uint8_t>(at);
}

void learn_upstream(MetricNames& names, const Upstream& upstream) {
    names.providers.add(upstream.provider);
    for (const std::string& model : upstream.models) {
        names.models.add(model);
    }
    names.models.add(upstream.default_model);
    for (const auto& [alias, model] : upstream.aliases) {
        names.models.add(alias);
        names.models.add(model);
    }
}

}  // namespace

std::string_view word_of(RequestEnd end) {
    switch (end) {
    case RequestEnd::served:
        return "served";
    case RequestEnd::client_left:
        return "client_left";
    case RequestEnd::refused:
        return "refused";
    case RequestEnd::failed:
        return "failed";
    case RequestEnd::cut:
        return "cut";
    }
    return "failed";
}

std::uint32_t ModelKey::packed() const {
    return (std::uint32_t{operation} << 16U) | (std::uint32_t{provider} << 8U) | model;
}

ModelKey ModelKey::unpacked(std::uint32_t key) {
    return {
        .operation = static_cast<std::uint8_t>(key >> 16U),
        .provider = static_cast<std::uint8_t>(key >> 8U),
        .model = static_cast<std::uint8_t>(key),
    };
}

std::uint32_t RouteKey::packed() const {
    return (std::uint32_t{route} << 24U) | (std::uint32_t{end} << 16U) | status;
}

RouteKey RouteKey::unpacked(std::uint32_t key) {
    return {
        .route = static_cast<std::uint8_t>(key >> 24U),
        .end = static_cast<std::uint8_t>(key >> 16U),
        .status = static_cast<std::uint16_t>(key),
    };
}

std::uint32_t FailureKey::packed() const {
    return (std::uint32_t{provider} << 8U) | word;
}

FailureKey FailureKey::unpacked(std::uint32_t key) {
    return {
        .provider = static_cast<std::uint8_t>(key >> 8U), .word = static_cast<std::uint8_t>(key)
    };
}

MetricNames::MetricNames() {
    providers.add("none");  // nobody was asked
    for (auto code = std::uint8_t{0}; code <= std::to_underlying(ErrorCode::precondition); ++code) {
        failures.add(policy(static_cast<ErrorCode>(code)).word);
    }
    for (const std::string_view word : kFinerWords) {
        failures.add(word);
    }
}

// The local names first: where there are many, those of clouds are the ones that go without.
void MetricNames::learn(const RoutingTable& table) {
    for (const auto& upstream : {table.local, table.embedder()}) {
        if (upstream) {
            learn_upstream(*this, *upstream);
        }
    }
    for (const Alias& alias : table.aliases) {
        models.add(alias.name);
    }
    for (const auto& cloud : table.clouds) {
        learn_upstream(*this, *cloud);
    }
}

void WorkerMetrics::note(const RequestRecord& record, const MetricNames& names) {
    const auto end = std::to_underlying(record.end);
    routes_
        .at(RouteKey{
            .route = names.routes.find(record.route),
            .end = end,
            .status = static_cast<std::uint16_t>(std::clamp(record.status, 0, 999)),
        }
                .packed())
        .add();
    std::uint8_t model = names.models.find(record.model);
    if (model == LabelNames::kOther) {
        model = names.models.find(record.upstream_model);
    }
    ModelSeries& series = models_.at(ModelKey{
        .operation = operation_of(record.operation),
        .provider = names.providers.find(record.provider.empty() ? "none" : record.provider),
        .model = model,
    }
                                         .packed());
    const double total = Seconds{record.total}.count();
    series.duration[end].observe(total);
    attempts_.add(record.attempts);
    if (record.first_content) {
        const auto own = *record.first_content - record.upstream;
        overhead_.observe(std::max(Seconds{own}.count(), 0.0));
    }
    if (record.usage.prompt) {
        series.input.observe(static_cast<double>(*record.usage.prompt));
    }
    if (record.usage.completion) {
        series.output.observe(static_cast<double>(*record.usage.completion));
    }
    series.cached.add(record.usage.cached.value_or(0));
    if (record.usage_counted) {
        series.counted.add();
    }
    if (record.prompt_cut) {
        series.truncated.add();
    }
    // The conventions: latencies of the server are those of successful answers only.
    if (record.end != RequestEnd::served || !record.first_content) {
        return;
    }
    const double first = Seconds{*record.first_content}.count();
    series.first_token.observe(first);
    if (record.usage.completion.value_or(0) > 1) {
        series.token_time.observe(
            (total - first) / static_cast<double>(*record.usage.completion - 1)
        );
    }
}

void WorkerMetrics::gave_up(
    std::string_view provider, std::string_view word, const MetricNames& names
) {
    failures_
        .at(FailureKey{
            .provider = names.providers.find(provider), .word = names.failures.find(word)
        }
                .packed())
        .add();
}

}  // namespace nova::gateway

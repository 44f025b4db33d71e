// The families, one function for each group of them.
#include "gateway/metrics_text.hpp"

#include <array>
#include <chrono>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

namespace nova::gateway {
namespace {

using enum FamilyType;

constexpr std::array<Family, 27> kFamilies{{
    {"gen_ai_server_request_duration_seconds", histogram,
     "Time from the request to the end of its answer; error_type is absent for answers served."},
    {"gen_ai_server_time_to_first_token_seconds", histogram,
     "Time from the request to the first content of an answer that was served."},
    {"gen_ai_server_time_per_output_token_seconds", histogram,
     "Mean time of an output token behind the first, of answers served."},
    {"gen_ai_client_token_usage", histogram,
     "Tokens of a request, as its provider or else nova counted them."},
    {"nova_cached_tokens_total", counter,
     "Input tokens that the provider took from its cache; part of the input."},
    {"nova_usage_counted_total", counter,
     "Requests whose tokens nova counted because the provider did not say."},
    {"nova_prompts_truncated_total", counter,
     "Requests whose provider read less than the client sent and said nothing."},
    {"nova_requests_total", counter, "Requests by route, status and how they ended."},
    {"nova_attempts_total", counter, "Providers asked, over all requests."},
    {"nova_provider_failures_total", counter,
     "Attempts given up before an answer began, by provider and error."},
    {"nova_overhead_seconds", histogram,
     "Time until an answer began that was not spent waiting for a provider."},
    {"nova_requests_inflight", gauge, "Requests that are on an upstream now."},
    {"nova_requests_waiting", gauge, "Requests that wait for their model to be loaded."},
    {"nova_relays_active", gauge, "Requests with a connection to an upstream or waiting for one."},
    {"nova_upstream_connections_idle", gauge, "Connections to upstreams kept for the next request."
    },
    {"nova_requests_accepted_total", counter, "Requests that reached an inference route."},
    {"nova_requests_unroutable_total", counter, "Requests refused because no route could take them."
    },
    {"nova_clients_left_total", counter, "Clients that went away before their answer ended."},
    {"nova_upstream_failures_total", counter, "Requests that ended by a failure of their upstream."
    },
    {"nova_keys_refused_total", counter, "Requests refused for their API key, by reason."},
    {"nova_backend_state", gauge, "1 for the state a slot's backend is in, 0 for the others."},
    {"nova_provider_circuit", gauge,
     "1 for the state of a cloud's breaker, 0 for the others; credentials: its key was refused."},
    {"nova_ledger_rows_total", counter, "Rows written to the usage ledger."},
    {"nova_ledger_rows_dropped_total", counter,
     "Requests that the usage ledger and the access log missed because their queue was full."},
    {"nova_ledger_rows_refused_total", counter, "Rows that the ledger's database would not have."},
    {"nova_start_time_seconds", gauge, "When this nova started, in seconds since 1970."},
    {"nova_build_info", gauge, "1; the version is in the label."},
}};

const Family& family(std::string_view name) {
    for (const Family& row : kFamilies) {
        if (row.name == name) {
            return row;
        }
    }
    NOVA_CHECK(false);
    std::unreachable();
}

// Names of providers as OpenTelemetry has them, where it has one; else nova's.
std::string_view otel_provider(std::string_view provider) {
    constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kNames{{
        {"llamacpp", "llama_cpp"},
        {"mistral", "mistral_ai"},
        {"xai", "x_ai"},
        {"gemini", "gcp.gemini"},
        {"azure", "azure.ai.openai"},
        {"github", "azure.ai.inference"},
    }};
    for (const auto& [ours, theirs] : kNames) {
        if (ours == provider) {
            return theirs;
        }
    }
    return provider;
}

// The series of one key, one per worker that has it.
template <class Series>
using Merged = std::map<std::uint32_t, std::vector<const Series*>>;

template <class Series, class TableOf>
Merged<Series> merged(const Metrics& metrics, TableOf table_of) {
    Merged<Series> all;
    for (const WorkerMetrics& worker : metrics.of_worker) {
        table_of(worker).each([&all](std::uint32_t key, const Series& series) {
            all[key].push_back(&series);
        });
    }
    return all;
}

template <class Series, class CountOf>
std::uint64_t total(const std::vector<const Series*>& rows, CountOf count_of) {
    std::uint64_t sum = 0;
    for (const Series* row : rows) {
        sum += count_of(*row).read();
    }
    return sum;
}

// Writes nothing for a histogram without observations: nothing of that kind ever happened.
template <const auto& Bounds, class Series, class HistogramOf>
void add_histogram(
    PrometheusText& text, Labels labels, const std::vector<const Series*>& rows,
    HistogramOf histogram_of
) {
    std::array<std::uint64_t, Bounds.size() + 1> counts{};
    double sum = 0;
    for (const Series* row : rows) {
        const Histogram<Bounds>& one = histogram_of(*row);
        for (std::size_t i = 0; i < counts.size(); ++i) {
            counts[i] += one.count(i);
        }
        sum += one.sum();
    }
    if (std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}) > 0) {
        text.histogram(labels, Bounds, counts, sum);
    }
}

struct ModelLabels {
    std::string_view operation;
    std::string_view provider;
    std::string_view model;
};

ModelLabels labels_of(const MetricNames& names, std::uint32_t packed) {
    const ModelKey key = ModelKey::unpacked(packed);
    return {
        .operation = kOperations.at(key.operation),
        .provider = otel_provider(names.providers.at(key.provider)),
        .model = names.models.at(key.model),
    };
}

constexpr std::string_view kOperation = "gen_ai_operation_name";
constexpr std::string_view kProvider = "gen_ai_provider_name";
constexpr std::string_view kModel = "gen_ai_request_model";

void add_durations(PrometheusText& text, const Merged<ModelSeries>& all, const MetricNames& names) {
    text.family(family("gen_ai_server_request_duration_seconds"));
    for (const auto& [key, rows] : all) {
        const auto [operation, provider, model] = labels_of(names, key);
        for (std::size_t end = 0; end < kEnds; ++end) {
            const auto kind = static_cast<RequestEnd>(end);
            const std::string_view error =
                kind == RequestEnd::served ? std::string_view{} : word_of(kind);
            add_histogram<kDurationBounds>(
                text,
                {{kOperation, operation},
                 {kProvider, provider},
                 {kModel, model},
                 {"error_type", error}},
                rows, [end](const ModelSeries& row) -> auto& { return row.duration.at(end); }
            );
        }
    }
}

void add_latencies(PrometheusText& text, const Merged<ModelSeries>& all, const MetricNames& names) {
    text.family(family("gen_ai_server_time_to_first_token_seconds"));
    for (const auto& [key, rows] : all) {
        const auto [operation, provider, model] = labels_of(names, key);
        add_histogram<kFirstTokenBounds>(
            text, {{kOperation, operation}, {kProvider, provider}, {kModel, model}}, rows,
            [](const ModelSeries& row) -> auto& { return row.first_token; }
        );
    }
    text.family(family("gen_ai_server_time_per_output_token_seconds"));
    for (const auto& [key, rows] : all) {
        const auto [operation, provider, model] = labels_of(names, key);
        add_histogram<kTokenTimeBounds>(
            text, {{kOperation, operation}, {kProvider, provider}, {kModel, model}}, rows,
            [](const ModelSeries& row) -> auto& { return row.token_time; }
        );
    }
}

void add_tokens(PrometheusText& text, const Merged<ModelSeries>& all, const MetricNames& names) {
    constexpr std::string_view kType = "gen_ai_token_type";
    text.family(family("gen_ai_client_token_usage"));
    for (const auto& [key, rows] : all) {
        const auto [operation, provider, model] = labels_of(names, key);
        add_histogram<kTokenBounds>(
            text,
            {{kOperation, operation}, {kProvider, provider}, {kModel, model}, {kType, "input"}},
            rows, [](const ModelSeries& row) -> auto& { return row.input; }
        );
        add_histogram<kTokenBounds>(
            text,
            {{kOperation, operation}, {kProvider, provider}, {kModel, model}, {kType, "output"}},
            rows, [](const ModelSeries& row) -> auto& { return row.output; }
        );
    }
    const auto counts = [&](std::string_view name, auto member) {
        text.family(family(name));
        for (const auto& [key, rows] : all) {
            const auto [operation, provider, model] = labels_of(names, key);
            const auto sum =
                total(rows, [member](const ModelSeries& row) -> auto& { return row.*member; });
            if (sum > 0) {
                text.sample(
                    {{"operation", operation}, {"provider", provider}, {"model", model}}, sum
                );
            }
        }
    };
    counts("nova_cached_tokens_total", &ModelSeries::cached);
    counts("nova_usage_counted_total", &ModelSeries::counted);
    counts("nova_prompts_truncated_total", &ModelSeries::truncated);
}

constexpr auto kItself = [](const Count& count) -> auto& { return count; };

void add_requests(PrometheusText& text, const Metrics& metrics) {
    const auto routes = merged<Count>(metrics, [](const WorkerMetrics& worker) -> auto& {
        return worker.routes();
    });
    text.family(family("nova_requests_total"));
    for (const auto& [packed, rows] : routes) {
        const RouteKey key = RouteKey::unpacked(packed);
        const std::string status = key.status == 0 ? "none" : std::to_string(key.status);
        text.sample(
            {{"route", metrics.names.routes.at(key.route)},
             {"status", status},
             {"end", word_of(static_cast<RequestEnd>(key.end))}},
            total(rows, kItself)
        );
    }
    std::vector<const WorkerMetrics*> workers;
    for (const WorkerMetrics& worker : metrics.of_worker) {
        workers.push_back(&worker);
    }
    text.family(family("nova_attempts_total"));
    text.sample({}, total(workers, [](const WorkerMetrics& worker) -> auto& {
                    return worker.attempts();
                }));
    const auto failures = merged<Count>(metrics, [](const WorkerMetrics& worker) -> auto& {
        return worker.failures();
    });
    text.family(family("nova_provider_failures_total"));
    for (const auto& [packed, rows] : failures) {
        const FailureKey key = FailureKey::unpacked(packed);
        text.sample(
            {{"provider", metrics.names.providers.at(key.provider)},
             {"error", metrics.names.failures.at(key.word)}},
            total(rows, kItself)
        );
    }
    text.family(family("nova_overhead_seconds"));
    add_histogram<kOverheadBounds>(text, {}, workers, [](const WorkerMetrics& worker) -> auto& {
        return worker.overhead();
    });
}

void add_workers(PrometheusText& text, const AllCounters& counters) {
    const auto sum = [&](std::string_view name, auto member) {
        std::uint64_t value = 0;
        for (const WorkerCounters& worker : counters) {
            value += static_cast<std::uint64_t>((worker.*member).load(std::memory_order_relaxed));
        }
        text.family(family(name));
        text.sample({}, value);
    };
    sum("nova_requests_inflight", &WorkerCounters::inflight);
    sum("nova_requests_waiting", &WorkerCounters::waiting);
    sum("nova_relays_active", &WorkerCounters::active_relays);
    sum("nova_upstream_connections_idle", &WorkerCounters::idle_upstreams);
    sum("nova_requests_accepted_total", &WorkerCounters::requests);
    sum("nova_requests_unroutable_total", &WorkerCounters::refused);
    sum("nova_clients_left_total", &WorkerCounters::client_left);
    sum("nova_upstream_failures_total", &WorkerCounters::upstream_failed);
}

void add_keys(PrometheusText& text, const KeyRefusals& refused) {
    text.family(family("nova_keys_refused_total"));
    const auto reason = [&](std::string_view word, const std::atomic<std::uint64_t>& value) {
        text.sample({{"reason", word}}, value.load(std::memory_order_relaxed));
    };
    reason("missing", refused.missing);
    reason("wrong", refused.wrong);
    reason("expired", refused.expired);
    reason("throttled", refused.throttled);
    reason("requests_per_minute", refused.requests);
    reason("tokens_per_minute", refused.tokens);
    reason("concurrent", refused.concurrent);
}

void add_states(PrometheusText& text, const RoutingTable& table) {
    constexpr std::array<std::string_view, 5> kStates{
        "ready", "starting", "draining", "error", "stopped"
    };
    text.family(family("nova_backend_state"));
    const auto slot = [&](const RoutingTable& one) {
        for (const std::string_view state : kStates) {
            text.sample(
                {{"slot", one.slot.value}, {"backend", one.wanted_provider}, {"state", state}},
                std::uint64_t{state_of(one) == state ? 1U : 0U}
            );
        }
    };
    slot(table);
    if (table.embed) {
        slot(*table.embed);
    }
}

// Of the clouds that are configured, as far as their names are labels.
void add_circuits(PrometheusText& text, const MetricsSources& sources) {
    text.family(family("nova_provider_circuit"));
    for (const auto& cloud : sources.table.clouds) {
        if (sources.metrics.names.providers.find(cloud->provider) == LabelNames::kOther) {
            continue;
        }
        const std::string_view now = sources.breakers.of(cloud->id.value).state(sources.now);
        for (const std::string_view state : kBreakerStates) {
            text.sample(
                {{"provider", cloud->provider}, {"state", state}},
                std::uint64_t{now == state ? 1U : 0U}
            );
        }
    }
}

void add_ledger(PrometheusText& text, const LedgerFigures& ledger) {
    const auto one = [&](std::string_view name, const std::atomic<std::uint64_t>& value) {
        text.family(family(name));
        text.sample({}, value.load(std::memory_order_relaxed));
    };
    one("nova_ledger_rows_total", ledger.written);
    one("nova_ledger_rows_dropped_total", ledger.dropped);
    one("nova_ledger_rows_refused_total", ledger.refused);
}

}  // namespace

std::span<const Family> metric_families() {
    return kFamilies;
}

std::string_view state_of(const RoutingTable& table) {
    if (table.local) {
        return "ready";
    }
    if (table.loading) {
        return table.loading->phase == "draining" || table.loading->phase == "stopping"
                   ? "draining"
                   : "starting";
    }
    return table.error ? "error" : "stopped";
}

std::string metrics_text(const MetricsSources& sources) {
    PrometheusText text;
    const Metrics& metrics = sources.metrics;
    const auto models = merged<ModelSeries>(metrics, [](const WorkerMetrics& worker) -> auto& {
        return worker.models();
    });
    add_durations(text, models, metrics.names);
    add_latencies(text, models, metrics.names);
    add_tokens(text, models, metrics.names);
    add_requests(text, metrics);
    add_workers(text, sources.counters);
    add_keys(text, sources.refused);
    add_states(text, sources.table);
    add_circuits(text, sources);
    add_ledger(text, metrics.ledger);
    text.family(family("nova_start_time_seconds"));
    const std::chrono::duration<double> started = metrics.started_at.time_since_epoch();
    text.sample({}, started.count());
    text.family(family("nova_build_info"));
    text.sample({{"version", sources.version}}, std::uint64_t{1});
    return text.take();
}

}  // namespace nova::gateway

// What /metrics tells: kept per worker, summed when somebody asks.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "gateway/metric_series.hpp"
#include "gateway/request_record.hpp"
#include "gateway/routing_table.hpp"

namespace nova::gateway {

// Bounds of the OpenTelemetry GenAI conventions (v1.41, "Development"), in seconds and tokens.
inline constexpr std::array<double, 14> kDurationBounds{
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
};
inline constexpr std::array<double, 16> kFirstTokenBounds{
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
};
inline constexpr std::array<double, 13> kTokenTimeBounds{
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5,
};
inline constexpr std::array<double, 14> kTokenBounds{
    1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864,
};
// Ours: what nova itself adds to a request.
inline constexpr std::array<double, 10> kOverheadBounds{
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.1, 1,
};

inline constexpr std::size_t kEnds = 5;  // of RequestEnd

// Words of a label; the same ones in the ledger and the access log.
std::string_view word_of(RequestEnd end);

// Requests of one operation, provider and model.
struct ModelSeries {
    std::array<Histogram<kDurationBounds>, kEnds> duration{};
    Histogram<kFirstTokenBounds> first_token{};
    Histogram<kTokenTimeBounds> token_time{};
    Histogram<kTokenBounds> input{};
    Histogram<kTokenBounds> output{};
    Count cached{};
    Count counted{};    // requests whose provider did not say
    Count truncated{};  // requests whose prompt was cut
};

// Parts of a series' key.
struct ModelKey {
    std::uint8_t operation = 0;
    std::uint8_t provider = LabelNames::kOther;
    std::uint8_t model = LabelNames::kOther;

    std::uint32_t packed() const;
    static ModelKey unpacked(std::uint32_t key);
};

struct RouteKey {
    std::uint8_t route = LabelNames::kOther;
    std::uint8_t end = 0;
    std::uint16_t status = 0;

    std::uint32_t packed() const;
    static RouteKey unpacked(std::uint32_t key);
};

struct FailureKey {
    std::uint8_t provider = LabelNames::kOther;
    std::uint8_t word = LabelNames::kOther;

    std::uint32_t packed() const;
    static FailureKey unpacked(std::uint32_t key);
};

inline constexpr std::array<std::string_view, 4> kOperations{
    "chat", "text_completion", "embeddings", "other"
};

// Names all workers share. Added to on the control thread.
struct MetricNames {
    MetricNames();

    // What a table makes known: its providers and models.
    void learn(const RoutingTable& table);

    LabelNames routes;
    LabelNames providers;
    LabelNames models;
    LabelNames failures;  // fixed: the words nova itself gives errors
};

// One worker's. Its thread writes.
class alignas(64) WorkerMetrics {
public:
    void note(const RequestRecord& record, const MetricNames& names);
    void gave_up(std::string_view provider, std::string_view word, const MetricNames& names);

    // For whoever sums them up.
    using Models = SeriesTable<ModelSeries, 256, 0x00'03'40'40>;
    using Routes = SeriesTable<Count, 256, 0x40'00'00'00>;
    using Failures = SeriesTable<Count, 256, 0x00'00'40'40>;

    const Models& models() const { return models_; }

    const Routes& routes() const { return routes_; }

    const Failures& failures() const { return failures_; }

    const Histogram<kOverheadBounds>& overhead() const { return overhead_; }

    const Count& attempts() const { return attempts_; }

private:
    Models models_;
    Routes routes_;
    Failures failures_;
    Histogram<kOverheadBounds> overhead_;
    Count attempts_;
};

// Of the ledger; written by whoever drains the queues and by the workers that find one full.
struct LedgerFigures {
    std::atomic<std::uint64_t> written{0};
    std::atomic<std::uint64_t> dropped{0};  // the queue was full
    std::atomic<std::uint64_t> refused{0};  // the database would not have the row
};

// Everything of one data plane.
struct Metrics {
    Metrics(std::size_t workers, WallTime started) : started_at{started}, of_worker(workers) {}

    WallTime started_at;
    MetricNames names{};
    std::vector<WorkerMetrics> of_worker;
    LedgerFigures ledger{};
};

}  // namespace nova::gateway

#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>

#include "core/checkout.hpp"
#include "gateway/metrics_text.hpp"
#include "gateway/prometheus_reader.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;
using testing::read_metrics;

class MetricsTextTest : public ::testing::Test {
protected:
    MetricsTextTest() {
        auto upstream = std::make_shared<Upstream>();
        upstream->provider = "llamacpp";
        upstream->models = {"small \"quoted\""};
        table_.local = upstream;
        table_.wanted_provider = "llamacpp";
        metrics_.names.learn(table_);
        metrics_.names.routes.add("/v1/chat/completions");
    }

    static RequestRecord record() {
        RequestRecord record;
        record.route = "/v1/chat/completions";
        record.operation = "chat";
        record.model = "small \"quoted\"";
        record.provider = "llamacpp";
        record.status = 200;
        record.attempts = 1;
        record.total = 20ms;
        record.upstream = 19ms;
        record.first_content = 5ms;
        record.usage.prompt = 10;
        record.usage.completion = 4;
        record.usage.cached = 3;
        return record;
    }

    testing::ReadMetrics page() {
        auto read = read_metrics(metrics_text(
            {.metrics = metrics_,
             .counters = counters_,
             .refused = refused_,
             .table = table_,
             .breakers = breakers_,
             .now = now_,
             .version = "1.2.3"}
        ));
        EXPECT_EQ(read.error, "");
        return read;
    }

    Metrics metrics_{3, WallTime{1'700'000'000s}};
    AllCounters counters_{3};
    KeyRefusals refused_;
    BreakerBoard breakers_;
    TimePoint now_{1h};
    RoutingTable table_;
};

TEST_F(MetricsTextTest, IsValidBeforeAnythingHappened) {
    const auto read = page();
    EXPECT_EQ(read.types.size(), metric_families().size());
    EXPECT_EQ(read.value("nova_attempts_total"), 0);
    EXPECT_EQ(read.value("nova_build_info", {{"version", "1.2.3"}}), 1);
    EXPECT_EQ(read.value("nova_start_time_seconds"), 1'700'000'000);
    EXPECT_EQ(read.value("nova_keys_refused_total", {{"reason", "wrong"}}), 0);
}

TEST_F(MetricsTextTest, SumsTheWorkers) {
    for (WorkerMetrics& worker : metrics_.of_worker) {
        worker.note(record(), metrics_.names);
        worker.gave_up("llamacpp", "timeout", metrics_.names);
    }
    counters_[0].inflight = 2;
    counters_[2].inflight = 3;
    refused_.wrong = 4;
    metrics_.ledger.dropped = 5;
    const auto read = page();
    const std::map<std::string, std::string> labels{
        {"gen_ai_operation_name", "chat"},
        {"gen_ai_provider_name", "llama_cpp"},
        {"gen_ai_request_model", "small \"quoted\""},
    };
    EXPECT_EQ(read.value("gen_ai_server_request_duration_seconds_count", labels), 3);
    EXPECT_NEAR(*read.value("gen_ai_server_request_duration_seconds_sum", labels), 0.06, 1e-9);
    EXPECT_EQ(read.value("gen_ai_server_time_to_first_token_seconds_count", labels), 3);
    EXPECT_EQ(read.value("gen_ai_server_time_per_output_token_seconds_count", labels), 3);
    EXPECT_EQ(read.value("gen_ai_client_token_usage_sum", {{"gen_ai_token_type", "input"}}), 30);
    EXPECT_EQ(read.value("gen_ai_client_token_usage_sum", {{"gen_ai_token_type", "output"}}), 12);
    EXPECT_EQ(read.value("nova_cached_tokens_total"), 9);
    EXPECT_EQ(
        read.value(
            "nova_requests_total",
            {{"route", "/v1/chat/completions"}, {"status", "200"}, {"end", "served"}}
        ),
        3
    );
    EXPECT_EQ(
        read.value(
            "nova_provider_failures_total", {{"provider", "llamacpp"}, {"error", "timeout"}}
        ),
        3
    );
    EXPECT_EQ(read.value("nova_attempts_total"), 3);
    EXPECT_EQ(read.value("nova_requests_inflight"), 5);
    EXPECT_EQ(read.value("nova_keys_refused_total", {{"reason", "wrong"}}), 4);
    EXPECT_EQ(read.value("nova_ledger_rows_dropped_total"), 5);
}

TEST_F(MetricsTextTest, FailuresAreDurationsWithAnErrorType) {
    RequestRecord failed = record();
    failed.end = RequestEnd::client_left;
    metrics_.of_worker[0].note(record(), metrics_.names);
    metrics_.of_worker[0].note(failed, metrics_.names);
    const auto read = page();
    EXPECT_EQ(
        read.value("gen_ai_server_request_duration_seconds_count", {{"error_type", "client_left"}}),
        1
    );
    EXPECT_EQ(read.value("gen_ai_server_time_to_first_token_seconds_count"), 1);
}

TEST_F(MetricsTextTest, TellsTheStateOfEachSlot) {
    const auto ready = page();
    const std::map<std::string, std::string> of_local{
        {"slot", "local"}, {"backend", "llamacpp"}, {"state", "ready"}
    };
    EXPECT_EQ(ready.value("nova_backend_state", of_local), 1);
    table_.local = nullptr;
    table_.loading = Loading{.phase = "starting"};
    EXPECT_EQ(state_of(table_), "starting");
    table_.loading = Loading{.phase = "draining"};
    EXPECT_EQ(state_of(table_), "draining");
    table_.loading.reset();
    table_.error = "It failed.";
    EXPECT_EQ(state_of(table_), "error");
    table_.error.reset();
    EXPECT_EQ(state_of(table_), "stopped");
    EXPECT_EQ(page().value("nova_backend_state", of_local), 0);
}

// Clients that make names up: the page stays as small as the table of known names allows.
TEST_F(MetricsTextTest, StaysBoundedUnderMadeUpNames) {
    for (int i = 0; i < 5000; ++i) {
        const std::string made_up = "model-" + std::to_string(i);
        RequestRecord other = record();
        other.model = made_up;
        other.status = i;
        metrics_.of_worker[static_cast<std::size_t>(i) % 3].note(other, metrics_.names);
    }
    const auto read = page();
    // Of 5000 statuses each worker keeps 256; everything else is one series.
    EXPECT_LT(read.samples.size(), 3U * 256U + 200U);
    EXPECT_EQ(
        read.value(
            "gen_ai_server_request_duration_seconds_count", {{"gen_ai_request_model", "other"}}
        ),
        5000
    );
}

TEST_F(MetricsTextTest, IsReadWhileItIsWritten) {
    std::atomic<bool> done{false};
    {
        const std::jthread writer{[&] {  // tidy-allow(thread): a worker and a scrape at once
            for (int i = 0; i < 2000; ++i) {
                RequestRecord next = record();
                next.status = i % 300;
                metrics_.of_worker[0].note(next, metrics_.names);
                metrics_.of_worker[0].gave_up("llamacpp", "timeout", metrics_.names);
            }
            done = true;
        }};
        int names = 0;
        do {
            RoutingTable more = table_;
            auto upstream = std::make_shared<Upstream>(*table_.local);
            upstream->models.push_back("later-" + std::to_string(++names));
            more.local = std::move(upstream);
            metrics_.names.learn(more);
            // Sums of moving figures need not agree with each other; single ones must be whole.
            const std::string text = metrics_text(
                {.metrics = metrics_,
                 .counters = counters_,
                 .refused = refused_,
                 .table = table_,
                 .breakers = breakers_,
                 .now = now_,
                 .version = "1"}
            );
            EXPECT_TRUE(text.ends_with('\n'));
        } while (!done);
    }
    EXPECT_EQ(page().value("nova_attempts_total"), 2000);
}

TEST(MetricsDocument, NamesEveryFamily) {
    std::ifstream file{checkout() / "docs/metrics.md"};
    std::stringstream document;
    document << file.rdbuf();
    for (const Family& family : metric_families()) {
        EXPECT_NE(document.str().find("`" + std::string{family.name} + "`"), std::string::npos)
            << family.name << " is missing in docs/metrics.md";
    }
}

}  // namespace
}  // namespace nova::gateway

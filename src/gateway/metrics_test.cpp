#include <gtest/gtest.h>

#include "gateway/metrics.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;

RoutingTable table_of(std::vector<std::string> models, std::string provider = "llamacpp") {
    auto upstream = std::make_shared<Upstream>();
    upstream->provider = std::move(provider);
    upstream->models = std::move(models);
    RoutingTable table;
    table.local = std::move(upstream);
    return table;
}

RequestRecord served(std::string_view model) {
    RequestRecord record;
    record.route = "/v1/chat/completions";
    record.operation = "chat";
    record.model = model;
    record.provider = "llamacpp";
    record.status = 200;
    record.attempts = 1;
    record.total = 2s;
    record.upstream = 499ms;
    record.first_content = 500ms;
    record.usage.prompt = 10;
    record.usage.completion = 4;
    record.usage.cached = 3;
    return record;
}

template <class Table>
std::size_t size_of(const Table& table) {
    std::size_t rows = 0;
    table.each([&rows](std::uint32_t, const auto&) { ++rows; });
    return rows;
}

TEST(LabelNames, KeepTheirNumbersAndStopAtTheLimit) {
    LabelNames names;
    for (int i = 0; i < 100; ++i) {
        names.add("model-" + std::to_string(i));
        names.add("model-" + std::to_string(i));
    }
    EXPECT_EQ(names.find("model-0"), 0);
    EXPECT_EQ(names.find("model-63"), 63);
    EXPECT_EQ(names.find("model-64"), LabelNames::kOther);
    EXPECT_EQ(names.at(63), "model-63");
    EXPECT_EQ(names.at(LabelNames::kOther), "other");
    names.add("");
    EXPECT_EQ(names.find(""), LabelNames::kOther);
}

TEST(SeriesTable, ShareOneSeriesBeyondTheLimit) {
    SeriesTable<Count, 4, 99> table;
    for (std::uint32_t key = 0; key < 50; ++key) {
        table.at(key).add();
    }
    table.at(99).add();
    std::map<std::uint32_t, std::uint64_t> rows;
    table.each([&rows](std::uint32_t key, const Count& count) { rows[key] = count.read(); });
    const std::map<std::uint32_t, std::uint64_t> wanted{{0, 1}, {1, 1}, {2, 1}, {99, 48}};
    EXPECT_EQ(rows, wanted);
}

TEST(Metrics, SortARequestIntoItsSeries) {
    Metrics metrics{1, WallTime{}};
    metrics.names.learn(table_of({"small"}));
    metrics.names.routes.add("/v1/chat/completions");
    WorkerMetrics& worker = metrics.of_worker.front();
    worker.note(served("small"), metrics.names);
    ASSERT_EQ(size_of(worker.models()), 1U);
    worker.models().each([&](std::uint32_t packed, const ModelSeries& series) {
        const ModelKey key = ModelKey::unpacked(packed);
        EXPECT_EQ(kOperations.at(key.operation), "chat");
        EXPECT_EQ(metrics.names.providers.at(key.provider), "llamacpp");
        EXPECT_EQ(metrics.names.models.at(key.model), "small");
        EXPECT_EQ(series.duration[0].count(8), 1U) << "2 s lie in (1.28, 2.56]";
        EXPECT_EQ(series.first_token.count(9), 1U) << "0.5 s is the bound of (0.25, 0.5]";
        EXPECT_EQ(series.token_time.count(9), 1U) << "1.5 s over 3 tokens is 0.5 s";
        EXPECT_EQ(series.input.count(2), 1U);
        EXPECT_DOUBLE_EQ(series.output.sum(), 4);
        EXPECT_EQ(series.cached.read(), 3U);
    });
    EXPECT_NEAR(worker.overhead().sum(), 0.001, 1e-9);
    EXPECT_EQ(worker.attempts().read(), 1U);
}

// Trap 102: neither models nor routes nor providers nor errors that others make up become labels.
TEST(Metrics, WhatClientsAndProvidersMakeUpIsOther) {
    Metrics metrics{1, WallTime{}};
    metrics.names.learn(table_of({"small"}));
    WorkerMetrics& worker = metrics.of_worker.front();
    for (int i = 0; i < 1000; ++i) {
        const std::string made_up = "made-up-" + std::to_string(i);
        RequestRecord record = served(made_up);
        record.route = made_up;
        record.operation = made_up;
        record.provider = made_up;
        worker.note(record, metrics.names);
        worker.gave_up(made_up, made_up, metrics.names);
    }
    EXPECT_EQ(size_of(worker.models()), 1U);
    EXPECT_EQ(size_of(worker.routes()), 1U);
    EXPECT_EQ(size_of(worker.failures()), 1U);
}

TEST(Metrics, AnAliasedModelCountsUnderTheNameOfItsUpstream) {
    Metrics metrics{1, WallTime{}};
    metrics.names.learn(table_of({"small"}));
    RequestRecord record = served("gpt-whatever");
    record.upstream_model = "small";
    metrics.of_worker.front().note(record, metrics.names);
    metrics.of_worker.front().models().each([&](std::uint32_t key, const ModelSeries&) {
        EXPECT_EQ(metrics.names.models.at(ModelKey::unpacked(key).model), "small");
    });
}

TEST(Metrics, LatenciesAreThoseOfServedAnswersOnly) {
    Metrics metrics{1, WallTime{}};
    RequestRecord record = served("small");
    record.end = RequestEnd::failed;
    record.usage = {};
    WorkerMetrics& worker = metrics.of_worker.front();
    worker.note(record, metrics.names);
    worker.models().each([&](std::uint32_t, const ModelSeries& series) {
        EXPECT_EQ(series.duration[3].count(8), 1U);
        EXPECT_DOUBLE_EQ(series.first_token.sum(), 0);
        EXPECT_DOUBLE_EQ(series.input.sum(), 0);
    });
}

TEST(Metrics, CountProviderFailuresByTheirWord) {
    Metrics metrics{1, WallTime{}};
    metrics.names.learn(table_of({"small"}));
    WorkerMetrics& worker = metrics.of_worker.front();
    worker.gave_up("llamacpp", "timeout", metrics.names);
    worker.gave_up("llamacpp", "timeout", metrics.names);
    worker.gave_up("llamacpp", "upstream_auth_error", metrics.names);
    std::map<std::string, std::uint64_t> rows;
    worker.failures().each([&](std::uint32_t key, const Count& count) {
        rows[std::string{metrics.names.failures.at(FailureKey::unpacked(key).word)}] = count.read();
    });
    const std::map<std::string, std::uint64_t> wanted{{"timeout", 2}, {"upstream_auth_error", 1}};
    EXPECT_EQ(rows, wanted);
}

TEST(Metrics, LearnCloudsLast) {
    Metrics metrics{1, WallTime{}};
    RoutingTable table = table_of({"small"});
    auto cloud = std::make_shared<Upstream>();
    cloud->provider = "openai";
    for (int i = 0; i < 200; ++i) {
        cloud->models.push_back("cloud-" + std::to_string(i));
    }
    table.clouds.push_back(cloud);
    table.aliases.push_back({.name = "fast", .provider = "", .model = "small"});
    metrics.names.learn(table);
    EXPECT_NE(metrics.names.models.find("small"), LabelNames::kOther);
    EXPECT_NE(metrics.names.models.find("fast"), LabelNames::kOther);
    EXPECT_NE(metrics.names.models.find("cloud-0"), LabelNames::kOther);
    EXPECT_EQ(metrics.names.models.find("cloud-199"), LabelNames::kOther);
    EXPECT_NE(metrics.names.providers.find("openai"), LabelNames::kOther);
}

TEST(Metrics, AHostileStatusStaysInItsField) {
    Metrics metrics{1, WallTime{}};
    RequestRecord record = served("small");
    record.status = 1'000'000;
    metrics.of_worker.front().note(record, metrics.names);
    record.status = -5;
    metrics.of_worker.front().note(record, metrics.names);
    std::vector<int> statuses;
    metrics.of_worker.front().routes().each([&](std::uint32_t key, const Count&) {
        statuses.push_back(RouteKey::unpacked(key).status);
    });
    EXPECT_EQ(statuses, (std::vector<int>{999, 0}));
}

}  // namespace
}  // namespace nova::gateway

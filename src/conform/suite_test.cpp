// Every check against an endpoint that behaves, and against one that has exactly its fault.
#include <algorithm>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "conform/scripted_endpoint.hpp"
#include "conform/suite.hpp"
#include "net/test_server.hpp"

namespace nova::conform {
namespace {

using testing::ScriptedEndpoint;

const std::vector<Dialect> kAll{Dialect::openai, Dialect::anthropic, Dialect::ollama};

// Nothing here waits for these to pass; a fault closes instead of being silent.
ProbeLimits patient() {
    return {
        .answer = std::chrono::seconds{15},
        .brief = std::chrono::seconds{10},
        .pause = std::chrono::milliseconds{2}
    };
}

Target target_at(Endpoint endpoint) {
    return {
        .endpoint = std::move(endpoint),
        .key = Secret{std::string{testing::kKey}},
        .model = std::string{testing::kModel},
        .embed_model = std::string{testing::kEmbedder}
    };
}

Result<Report> run_with_fault(std::string fault, SuiteOptions options) {
    asio::io_context io;
    SystemClock clock;
    ScriptedEndpoint endpoint{io, std::move(fault)};
    Probe probe{clock, nullptr, target_at(endpoint.start()), patient()};
    std::optional<Result<Report>> report;
    net::testing::run_on(io, [&]() -> Task<void> {
        report.emplace(co_await run_suite(probe, std::move(options), {}));
        co_await endpoint.stop();
    });
    return report ? *std::move(report) : fail(ErrorCode::timeout, "The suite did not end.");
}

std::vector<std::string> not_passed(const Report& report) {
    std::vector<std::string> ids;
    for (const Row& row : report.rows) {
        if (row.verdict.outcome != Outcome::pass) {
            ids.emplace_back(row.check->id);
        }
    }
    return ids;
}

std::string seen_by(const Report& report) {
    std::string text;
    for (const Row& row : report.rows) {
        if (row.verdict.outcome != Outcome::pass) {
            text += std::string{row.check->id} + ": observed " + row.verdict.observed +
                    "; expected " + row.verdict.expected + "\n";
        }
    }
    return text;
}

TEST(Suite, FindsNothingWhereNothingIsWrong) {
    const auto report = run_with_fault("", {.dialects = kAll});
    ASSERT_TRUE(report.has_value()) << report.error().message;
    EXPECT_EQ(report->rows.size(), all_checks().size());
    EXPECT_EQ(not_passed(*report), std::vector<std::string>{}) << seen_by(*report);
    EXPECT_EQ(report->musts_failed(), 0U);
}

class Fault : public ::testing::TestWithParam<std::string> {};

TEST_P(Fault, FailsItsCheckAndNoOther) {
    const auto report = run_with_fault(GetParam(), {.dialects = kAll});
    ASSERT_TRUE(report.has_value()) << report.error().message;
    EXPECT_EQ(not_passed(*report), std::vector<std::string>{GetParam()}) << seen_by(*report);
    EXPECT_EQ(report->count(Outcome::fail), 1U) << seen_by(*report);
}

std::vector<std::string> ids() {
    std::vector<std::string> result;
    for (const Check& check : all_checks()) {
        result.emplace_back(check.id);
    }
    return result;
}

std::string name_of(const ::testing::TestParamInfo<std::string>& info) {
    std::string name = info.param;
    std::ranges::replace_if(name, [](char c) { return c == '.' || c == '-'; }, '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Each, Fault, ::testing::ValuesIn(ids()), name_of);

TEST(Suite, AsksOnlyWhatIsMeant) {
    const auto report = run_with_fault("", {.dialects = kAll, .only = {"stream.done", "models"}});
    ASSERT_TRUE(report.has_value());
    std::vector<std::string> asked;
    for (const Row& row : report->rows) {
        asked.emplace_back(row.check->id);
    }
    EXPECT_EQ(
        asked, (std::vector<std::string>{
                   "stream.done", "models.list", "models.unique", "models.retrieve",
                   "models.retrieve-escaped", "models.retrieve-unknown"
               })
    );
}

// One answer for each step of looking around.
class LookAround : public ::testing::Test {
protected:
    Result<std::vector<Dialect>> look(std::string fault, Target target) {
        ScriptedEndpoint endpoint{io_, std::move(fault)};
        target.endpoint = endpoint.start();
        probe_.emplace(clock_, nullptr, std::move(target), patient());
        std::optional<Result<std::vector<Dialect>>> found;
        net::testing::run_on(io_, [&]() -> Task<void> {
            found.emplace(co_await look_around(*probe_, {}));
            co_await endpoint.stop();
        });
        return found ? *std::move(found) : fail(ErrorCode::timeout, "It did not end.");
    }

    asio::io_context io_;
    SystemClock clock_;
    std::optional<Probe> probe_;
};

TEST_F(LookAround, FindsDialectsAndModels) {
    const auto found = look("", {.key = Secret{std::string{testing::kKey}}});
    ASSERT_TRUE(found.has_value()) << found.error().message;
    EXPECT_EQ(*found, kAll);
    EXPECT_EQ(probe_->target().model, testing::kModel);
    EXPECT_EQ(probe_->target().embed_model, testing::kEmbedder);
}

TEST_F(LookAround, LeavesOutWhatIsNotSpoken) {
    const auto found = look("ollama.version", {.key = Secret{std::string{testing::kKey}}});
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(*found, (std::vector{Dialect::openai, Dialect::anthropic}));
}

TEST_F(LookAround, SaysThatAKeyIsWanted) {
    const auto found = look("", {});
    ASSERT_FALSE(found.has_value());
    EXPECT_EQ(found.error().code, ErrorCode::unauthorized);
}

TEST(Suite, SaysThatNobodyListens) {
    asio::io_context io;
    SystemClock clock;
    Endpoint closed;
    {
        ScriptedEndpoint endpoint{io, ""};
        closed = endpoint.start();
        net::testing::run_on(io, [&]() -> Task<void> { co_await endpoint.stop(); });
    }
    Probe probe{clock, nullptr, target_at(closed), patient()};
    net::testing::run_on(io, [&]() -> Task<void> {
        const auto report = co_await run_suite(probe, {}, {});
        EXPECT_FALSE(report.has_value());
        if (!report) {
            EXPECT_EQ(policy(report.error().code).exit_code, ExitCode::not_reachable);
        }
    });
}

}  // namespace
}  // namespace nova::conform

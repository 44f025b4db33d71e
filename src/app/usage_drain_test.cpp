#include <cstdlib>
#include <filesystem>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include "app/usage_drain.hpp"
#include "core/task_group.hpp"

namespace nova::app {
namespace {

using namespace std::chrono_literals;

class UsageDrainTest : public testing::Test {
protected:
    UsageDrainTest() {
        std::string pattern = testing::TempDir() + "nova-drain-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
        ledger_ = *store::UsageLedger::open(folder_ + "/usage.db");
    }

    ~UsageDrainTest() override {
        ledger_.reset();
        std::filesystem::remove_all(folder_);
    }

    UsageDrain drain(AccessLog mode = AccessLog::all, bool with_ledger = true) {
        return UsageDrain{{
            .executor = io_.get_executor(),
            .clock = clock_,
            .log = log_,
            .figures = figures_,
            .queues = {&queue_, &other_},
            .ledger = with_ledger ? ledger_.get() : nullptr,
            .access_log = mode,
        }};
    }

    void run(Task<void> task) {
        io_.restart();
        asio::co_spawn(io_, std::move(task), [](std::exception_ptr failure) {
            EXPECT_FALSE(failure);
        });
        io_.run();
    }

    gateway::RequestRecord record(std::string_view id = "req-1") const {
        gateway::RequestRecord record;
        record.request_id = id;
        record.route = "/v1/chat/completions";
        record.operation = "chat";
        record.model = "small";
        record.provider = "llamacpp";
        record.key_id = "k1";
        record.key_name = "laptop";
        record.status = 200;
        record.attempts = 1;
        record.began_at = clock_.wall_now();
        record.total = 1500us;
        record.usage.prompt = 7;
        return record;
    }

    std::uint64_t rows() {
        std::uint64_t count = 0;
        run([](store::UsageLedger& ledger, WallTime now, std::uint64_t& into) -> Task<void> {
            const auto sums = co_await ledger.sums({.from = WallTime{}, .to = now + 1h});
            into = sums && !sums->empty() ? sums->front().requests : 0;
        }(*ledger_, clock_.wall_now(), count));
        return count;
    }

    std::vector<std::string> lines() const {
        std::vector<std::string> found;
        for (const std::string& line : log_.recent()) {
            if (line.starts_with("request ")) {
                found.push_back(line);
            }
        }
        return found;
    }

    asio::io_context io_{1};
    VirtualClock clock_;
    Log log_{Log::Sink::none, LogLevel::debug};
    gateway::LedgerFigures figures_;
    gateway::UsageQueue queue_;
    gateway::UsageQueue other_;
    std::string folder_;
    std::unique_ptr<store::UsageLedger> ledger_;
};

TEST_F(UsageDrainTest, WritesALineAndARowForEachRequest) {
    UsageDrain one = drain();
    queue_.push(record("one"));
    other_.push(record("two"));
    run(one.drain());
    ASSERT_EQ(lines().size(), 2U);
    EXPECT_EQ(
        lines().front(),
        "request id=one at=" + rfc3339(clock_.wall_now()) +
            " route=/v1/chat/completions model=small provider=llamacpp status=200 end=served ms=2 "
            "first_ms=- prompt=7 completion=- cut=- key=laptop why=-"
    );
    EXPECT_EQ(rows(), 2U);
    EXPECT_EQ(figures_.written, 2U);
    run(one.drain());
    EXPECT_EQ(rows(), 2U);
}

TEST_F(UsageDrainTest, AHostileModelForgesNoLine) {
    UsageDrain one = drain();
    gateway::RequestRecord hostile = record();
    hostile.model = "m\nrequest id=forged status=200";
    queue_.push(hostile);
    run(one.drain());
    ASSERT_EQ(lines().size(), 1U);
    EXPECT_EQ(lines().front().find('\n'), std::string::npos);
}

TEST_F(UsageDrainTest, WhoAskedNobodyUsedNothing) {
    UsageDrain one = drain();
    gateway::RequestRecord refused = record();
    refused.attempts = 0;
    refused.end = gateway::RequestEnd::refused;
    refused.status = 401;
    queue_.push(refused);
    run(one.drain());
    EXPECT_EQ(lines().size(), 1U);
    EXPECT_EQ(rows(), 0U);
}

TEST_F(UsageDrainTest, TheAccessLogCanBeShutOrKeptToFailures) {
    gateway::RequestRecord failed = record("bad");
    failed.end = gateway::RequestEnd::failed;
    queue_.push(record());
    queue_.push(failed);
    UsageDrain failures = drain(AccessLog::failures);
    run(failures.drain());
    ASSERT_EQ(lines().size(), 1U);
    EXPECT_NE(lines().front().find("id=bad"), std::string::npos);
    queue_.push(failed);
    UsageDrain off = drain(AccessLog::off);
    run(off.drain());
    EXPECT_EQ(lines().size(), 1U);
    EXPECT_EQ(rows(), 3U);
}

TEST_F(UsageDrainTest, WorksWithoutALedger) {
    UsageDrain one = drain(AccessLog::all, false);
    queue_.push(record());
    run(one.drain());
    EXPECT_EQ(lines().size(), 1U);
    EXPECT_EQ(queue_.front(), nullptr);
}

TEST_F(UsageDrainTest, CountsRowsTheDatabaseRefuses) {
    UsageDrain one = drain();
    gateway::RequestRecord absurd = record();
    absurd.usage.completion = UINT64_MAX;
    queue_.push(absurd);
    queue_.push(record());
    run(one.drain());
    EXPECT_EQ(figures_.refused, 1U);
    EXPECT_EQ(rows(), 1U);
}

TEST_F(UsageDrainTest, RunsWhenItIsCalledAndEndsWhenItIsCancelled) {
    UsageDrain one = drain();
    TaskGroup tasks{io_.get_executor()};
    tasks.spawn("drain", one.run());
    queue_.push(record());
    const auto body = [&]() -> Task<void> {
        one.call();
        while (figures_.written == 0) {
            co_await asio::post(asio::use_awaitable);
        }
        tasks.cancel();
        co_await tasks.join();
    };
    run(body());
    EXPECT_EQ(figures_.written, 1U);
}

}  // namespace
}  // namespace nova::app

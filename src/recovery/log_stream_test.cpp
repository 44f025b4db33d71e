// Which part of a log is new.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "core/task_group.hpp"
#include "recovery/fake_backend.hpp"
#include "recovery/fake_exchange.hpp"
#include "recovery/log_stream.hpp"

namespace nova::recovery {
namespace {

TEST(GrownPart, IsWhatStandsBehindTheCommonLines) {
    struct Row {
        std::string_view before;
        std::string_view now;
        std::string_view fresh;
    };

    constexpr Row kRows[] = {
        {"", "a\n", "a\n"},
        {"a\n", "a\n", ""},
        {"a\nb\n", "a\nb\nc\n", "c\n"},
        {"a\nb\nc\n", "b\nc\nd\n", "d\n"},  // the window has moved
        {"a\nb\n", "x\ny\n", "x\ny\n"},     // another run
        {"a\na\n", "a\na\na\n", "a\n"},     // equal lines
        {"a\nb\n", "", ""},
        {"ab\n", "b\nc\n", "b\nc\n"},  // not in the middle of a line
    };
    for (const Row& row : kRows) {
        EXPECT_EQ(grown_part(row.before, row.now), row.fresh) << row.before << "|" << row.now;
    }
}

TEST(FollowLog, WritesNewLinesUntilTheClientLeaves) {
    asio::io_context context;
    VirtualClock clock;
    FakeBackend backend;
    backend.log = "1\n2\n3\n";
    FakeExchange exchange{"GET", "/logs"};
    TaskGroup tasks{context.get_executor()};
    tasks.spawn("follow", follow_log(exchange, backend, clock, 2));
    context.poll();
    EXPECT_EQ(exchange.sent, "2\n3\n");
    backend.log = "1\n2\n3\n4\nhalf";
    clock.advance(std::chrono::seconds{1});
    context.poll();
    EXPECT_EQ(exchange.sent, "2\n3\n4\n");
    backend.log = "1\n2\n3\n4\nhalf of it\n";
    clock.advance(std::chrono::seconds{1});
    context.poll();
    EXPECT_EQ(exchange.sent, "2\n3\n4\nhalf of it\n");
    exchange.client_leaves();
    clock.advance(std::chrono::seconds{1});
    context.restart();
    context.poll();
    EXPECT_EQ(tasks.running(), 0U);
    EXPECT_TRUE(exchange.aborted);
    EXPECT_FALSE(exchange.watched());
}

}  // namespace
}  // namespace nova::recovery

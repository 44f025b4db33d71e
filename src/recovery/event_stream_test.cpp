// Replay, live news, heartbeats, slow readers.
#include <list>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/task_group.hpp"
#include "net/sse.hpp"
#include "recovery/event_stream.hpp"
#include "recovery/fake_exchange.hpp"
#include "store/memory_store.hpp"

namespace nova::recovery {
namespace {

class EventStreamTest : public testing::Test {
protected:
    ~EventStreamTest() override {
        tasks_.cancel();
        poll();
    }

    void poll() {
        context_.restart();
        context_.poll();
    }

    std::uint64_t store_event(const std::string& type, const std::string& json) {
        std::uint64_t id = 0;
        asio::co_spawn(
            context_,
            [&]() -> Task<void> {
                std::vector<store::Write> writes;
                writes.emplace_back(
                    store::AppendEvent{.type = type, .json = json, .at = clock_.wall_now()}
                );
                id = (co_await store_.commit(std::move(writes)))->event_ids.at(0);
            },
            [](std::exception_ptr failure) { EXPECT_FALSE(failure); }
        );
        poll();
        return id;
    }

    void publish(std::uint64_t id, const std::string& json) {
        feed_.publish({.id = id, .type = "state", .json = json, .at = clock_.wall_now()});
    }

    void start(FakeExchange& exchange) {
        tasks_.spawn(
            "events", stream_events(exchange, {store_, feed_, clock_, limits_}, R"({"hi":1})")
        );
        poll();
    }

    static std::vector<net::SseEvent> events_of(const FakeExchange& exchange) {
        net::SseParser parser;
        EXPECT_TRUE(parser.feed(exchange.sent));
        std::vector<net::SseEvent> events;
        while (auto event = parser.next()) {
            if (event->has_data) {
                events.push_back(std::move(*event));
            }
        }
        return events;
    }

    // Lives as long as the stream that writes to it.
    FakeExchange& get(const char* target) { return exchanges_.emplace_back("GET", target); }

    std::list<FakeExchange> exchanges_;
    asio::io_context context_;
    VirtualClock clock_;
    store::MemoryStore store_;
    lifecycle::EventFeed feed_;
    EventStreamLimits limits_;
    TaskGroup tasks_{context_.get_executor()};
};

TEST_F(EventStreamTest, GreetsThenTellsWhatHappens) {
    store_event("state", R"({"old":1})");
    FakeExchange& exchange = get("/events");
    start(exchange);
    publish(2, R"({"state":"ready"})");
    poll();
    const auto events = events_of(exchange);
    ASSERT_EQ(events.size(), 2U);  // without a last id the past is not told
    EXPECT_EQ(events[0].event, "hello");
    EXPECT_EQ(events[1].event, "state");
    EXPECT_EQ(events[1].id, "2");
    const Json data = Json::parse(events[1].data);
    EXPECT_EQ(data["data"]["state"], "ready");
    EXPECT_EQ(data["id"], 2);
    EXPECT_EQ(data["at"].get<std::string>().back(), 'Z');
}

TEST_F(EventStreamTest, ResumesWithoutGapAndWithoutDouble) {
    const auto first = store_event("state", "1");
    store_event("operation", "2");
    const auto third = store_event("state", "3");
    limits_.replay_page = 1;
    FakeExchange& exchange = get("/events");
    const std::string id = std::to_string(first);
    exchange.add_header("Last-Event-ID", id);
    start(exchange);
    publish(third, "3");  // told by the replay already
    publish(third + 1, "4");
    poll();
    const auto events = events_of(exchange);
    ASSERT_EQ(events.size(), 4U);
    EXPECT_EQ(Json::parse(events[1].data)["data"], 2);
    EXPECT_EQ(Json::parse(events[2].data)["data"], 3);
    EXPECT_EQ(Json::parse(events[3].data)["data"], 4);
}

// A store that was begun anew gives smaller ids than the reader has seen.
TEST_F(EventStreamTest, TellsTheNewsToAReaderOfAnOlderStore) {
    store_event("state", "1");
    FakeExchange& exchange = get("/events");
    exchange.add_header("Last-Event-ID", "5000");
    start(exchange);
    publish(2, "2");
    poll();
    const auto events = events_of(exchange);
    ASSERT_EQ(events.size(), 2U);
    EXPECT_EQ(Json::parse(events[1].data)["data"], 2);
}

TEST_F(EventStreamTest, TellsOperationsInTheShapeOfTheApi) {
    lifecycle::Operation operation;
    operation.id = OperationId{"op1"};
    operation.phases.emplace_back();
    FakeExchange& exchange = get("/events");
    start(exchange);
    feed_.publish(
        {.id = 1,
         .type = "operation",
         .json = lifecycle::to_json(operation).dump(),
         .at = clock_.wall_now()}
    );
    feed_.publish({.id = 2, .type = "operation", .json = "7", .at = clock_.wall_now()});
    poll();
    const auto events = events_of(exchange);
    ASSERT_EQ(events.size(), 3U);
    EXPECT_EQ(Json::parse(events[1].data)["data"], operation_json(operation));
    EXPECT_EQ(Json::parse(events[2].data)["data"], 7);
}

TEST_F(EventStreamTest, KeepsAQuietConnectionAlive) {
    FakeExchange& exchange = get("/events");
    start(exchange);
    for (int i = 0; i < 3; ++i) {
        clock_.advance(std::chrono::seconds{15});
        poll();
    }
    std::size_t beats = 0;
    for (auto at = exchange.sent.find(": heartbeat"); at != std::string::npos;
         at = exchange.sent.find(": heartbeat", at + 1)) {
        ++beats;
    }
    EXPECT_EQ(beats, 3U);
}

TEST_F(EventStreamTest, CutsAReaderThatFallsBehind) {
    limits_.queued_events = 4;
    FakeExchange& exchange = get("/events");
    start(exchange);
    for (std::uint64_t id = 1; id <= 4; ++id) {
        publish(id, "{}");  // no poll in between: nobody takes them
    }
    EXPECT_FALSE(exchange.aborted);
    publish(5, "{}");
    EXPECT_TRUE(exchange.aborted);
    poll();
    EXPECT_EQ(tasks_.running(), 0U);
    publish(6, "{}");  // nobody listens any more
}

TEST_F(EventStreamTest, EndsWhenTheClientLeaves) {
    FakeExchange& exchange = get("/events");
    start(exchange);
    EXPECT_EQ(tasks_.running(), 1U);
    exchange.client_leaves();
    poll();
    EXPECT_EQ(tasks_.running(), 0U);
    EXPECT_TRUE(exchange.aborted);  // without an end of its own it would read as a broken handler
    EXPECT_FALSE(exchange.watched());
}

TEST_F(EventStreamTest, RefusesAnIdItDidNotGive) {
    FakeExchange& exchange = get("/events?last_event_id=abc");
    start(exchange);
    EXPECT_EQ(exchange.status, 400);
}

}  // namespace
}  // namespace nova::recovery

// Watching peers, deadlines and closing, on real sockets.
#include <array>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/task_group.hpp"
#include "net/socket_connection.hpp"
#include "net/test_server.hpp"

namespace nova::net {
namespace {

using testing::run_on;

struct Pair {
    std::unique_ptr<Connection> ours;
    Descriptor theirs;
};

// A connected TCP pair over loopback: unix sockets know no reset.
Pair tcp_pair(asio::io_context& io) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener, 1), 0);
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), size), 0);
    SocketAddress peer;
    const int accepted = ::accept4(listener, peer.get(), &peer.size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    ::close(listener);
    return {
        std::make_unique<SocketConnection>(
            io.get_executor(), Descriptor{accepted}, peer, SocketConnection::Origin::accepted
        ),
        Descriptor{client}
    };
}

void say(const Descriptor& from, std::string_view text) {
    EXPECT_EQ(::send(from.get(), text.data(), text.size(), MSG_NOSIGNAL), ssize_t(text.size()));
}

void reset(Descriptor& theirs) {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(theirs.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ::close(theirs.release());
}

TEST(SocketConnection, TellsTheWatcherOfAFinAndOfAReset) {
    for (const bool by_reset : {false, true}) {
        for (const bool behind_bytes : {false, true}) {
            SCOPED_TRACE(std::to_string(by_reset) + std::to_string(behind_bytes));
            asio::io_context io{1};
            Pair pair = tcp_pair(io);
            int calls = 0;
            pair.ours->watch_peer([&] { ++calls; });
            io.poll();
            EXPECT_EQ(calls, 0);
            if (behind_bytes) {
                say(pair.theirs, "unread");
                io.poll();
                EXPECT_EQ(calls, 0);
            }
            if (by_reset) {
                reset(pair.theirs);
            } else {
                ::shutdown(pair.theirs.get(), SHUT_WR);
            }
            io.restart();
            io.run_for(testing::kPatience);  // ends when nothing is left to wait for
            EXPECT_EQ(calls, 1);
            if (behind_bytes && !by_reset) {
                std::array<char, 10> bytes{};
                run_on(io, [&]() -> Task<void> {
                    EXPECT_EQ(co_await pair.ours->read_some(bytes), 6U);
                });
            }
        }
    }
}

TEST(SocketConnection, NeverCallsAWatcherThatWasTakenBack) {
    asio::io_context io{1};
    Pair pair = tcp_pair(io);
    int calls = 0;
    pair.ours->watch_peer([&] { ++calls; });
    io.poll();
    pair.ours->unwatch_peer();
    ::shutdown(pair.theirs.get(), SHUT_WR);
    io.restart();
    io.poll();
    EXPECT_EQ(calls, 0);
    // A new watcher is told at once of what happened in between.
    pair.ours->watch_peer([&] { calls += 10; });
    io.restart();
    io.poll();
    EXPECT_EQ(calls, 10);
}

TEST(SocketConnection, MayBeClosedAndDestroyedByItsWatcher) {
    asio::io_context io{1};
    Pair pair = tcp_pair(io);
    pair.ours->expire_at(SystemClock{}.now() + std::chrono::hours{1});
    pair.ours->watch_peer([&] {
        pair.ours->close();
        pair.ours.reset();
    });
    ::close(pair.theirs.release());
    io.run_for(testing::kPatience);
    EXPECT_EQ(pair.ours, nullptr);
}

TEST(SocketConnection, ReadsGoOnBesideAWatcherThatWasTakenBack) {
    asio::io_context io{1};
    Pair pair = tcp_pair(io);
    run_on(io, [&]() -> Task<void> {
        for (int round = 0; round < 3; ++round) {
            pair.ours->watch_peer([] { ADD_FAILURE(); });
            co_await asio::post(io, asio::use_awaitable);
            pair.ours->unwatch_peer();
            say(pair.theirs, "abc");
            std::array<char, 10> bytes{};
            EXPECT_EQ(co_await pair.ours->read_some(bytes), 3U);
        }
    });
}

TEST(SocketConnection, ExpiresAndCanBeGivenMoreTime) {
    asio::io_context io{1};
    Pair pair = tcp_pair(io);
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        std::array<char, 10> bytes{};
        pair.ours->expire_at(clock.now() + std::chrono::hours{1});
        pair.ours->expire_at(clock.now() + std::chrono::milliseconds{20});
        const auto late = co_await pair.ours->read_some(bytes);
        EXPECT_EQ(late ? ErrorCode::internal : late.error().code, ErrorCode::timeout);
        const auto still = co_await pair.ours->write("x");
        EXPECT_EQ(still ? ErrorCode::internal : still.error().code, ErrorCode::timeout);
        pair.ours->expire_at(TimePoint::max());
        say(pair.theirs, "abc");
        EXPECT_EQ(co_await pair.ours->read_some(bytes), 3U);
    });
}

TEST(SocketConnection, KeepsAnExtendedDeadline) {
    asio::io_context io{1};
    Pair pair = tcp_pair(io);
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        std::array<char, 10> bytes{};
        const TimePoint start = clock.now();
        pair.ours->expire_at(start + std::chrono::milliseconds{10});
        pair.ours->expire_at(start + std::chrono::milliseconds{60});
        const auto late = co_await pair.ours->read_some(bytes);
        EXPECT_EQ(late ? ErrorCode::internal : late.error().code, ErrorCode::timeout);
        EXPECT_GE(clock.now() - start, std::chrono::milliseconds{60});
    });
}

TEST(SocketConnection, EndsPendingOperationsWhenClosed) {
    asio::io_context io{1};
    Pair pair = tcp_pair(io);
    run_on(io, [&]() -> Task<void> {
        asio::post(io, [&] { pair.ours->close(); });
        std::array<char, 10> bytes{};
        const auto closed = co_await pair.ours->read_some(bytes);
        EXPECT_EQ(closed ? ErrorCode::internal : closed.error().code, ErrorCode::cancelled);
        const auto after = co_await pair.ours->write("x");
        EXPECT_EQ(after ? ErrorCode::internal : after.error().code, ErrorCode::cancelled);
        pair.ours->close();
    });
}

TEST(SocketConnection, WritesAllPiecesThroughASmallBuffer) {
    asio::io_context io{1};
    Pair pair = tcp_pair(io);
    ::fcntl(pair.theirs.get(), F_SETFL, O_NONBLOCK);
    std::string received;
    bool written = false;
    std::vector<std::string> parts;
    std::string expected;
    for (std::size_t i = 0; i < 40; ++i) {  // more than one sendmsg can take
        parts.emplace_back(i * 10'000, static_cast<char>('a' + i % 26));
        expected += parts.back();
    }
    run_on(io, [&]() -> Task<void> {
        asio::co_spawn(
            io,
            [&]() -> Task<void> {
                std::vector<std::string_view> pieces{parts.begin(), parts.end()};
                EXPECT_TRUE((co_await pair.ours->write_all(pieces)).has_value());
                written = true;
            },
            [](std::exception_ptr) {}
        );
        std::string buffer(50'000, '\0');
        while (received.size() < expected.size()) {
            const ssize_t size = ::recv(pair.theirs.get(), buffer.data(), buffer.size(), 0);
            received.append(buffer, 0, size > 0 ? std::size_t(size) : 0);
            co_await asio::post(io, asio::use_awaitable);
        }
        while (!written) {
            co_await asio::post(io, asio::use_awaitable);
        }
    });
    EXPECT_TRUE(received == expected);
}

TEST(SocketConnection, LetsOthersRunWhileItReadsAFlood) {
    asio::io_context io{1};
    Pair pair = tcp_pair(io);
    ::fcntl(pair.theirs.get(), F_SETFL, O_NONBLOCK);
    run_on(io, [&]() -> Task<void> {
        int turns = 0;
        bool stop = false;
        std::move_only_function<void()> turn = [&] {
            ++turns;
            if (!stop) {
                asio::post(io, [&] { turn(); });
            }
        };
        turn();
        std::string bytes(1000, 'x');
        std::size_t read = 0;
        for (int i = 0; i < 2000; ++i) {
            const ssize_t sent = ::send(pair.theirs.get(), bytes.data(), bytes.size(), 0);
            EXPECT_EQ(sent, 1000);
            const auto size = co_await pair.ours->read_some(bytes);
            read += size.value_or(0);
        }
        EXPECT_EQ(read, 2'000'000U);
        EXPECT_GE(turns, 2000 / 64);
        stop = true;
        co_await asio::post(io, asio::use_awaitable);
        co_await asio::post(io, asio::use_awaitable);
    });
}

TEST(SocketConnection, KnowsWhenItIsIdleAndClean) {
    asio::io_context io{1};
    Pair pair = tcp_pair(io);
    EXPECT_TRUE(pair.ours->idle_and_clean());
    say(pair.theirs, "x");
    EXPECT_FALSE(pair.ours->idle_and_clean());
    Pair closed = tcp_pair(io);
    ::close(closed.theirs.release());
    EXPECT_FALSE(closed.ours->idle_and_clean());
}

TEST(SocketConnection, HandsOverWhatItReadAhead) {
    asio::io_context io{1};
    Pair pair = tcp_pair(io);
    pair.ours->read_ahead();
    io.poll();
    EXPECT_TRUE(pair.ours->nothing_heard());
    const std::string text(5000, 'x');  // more than it reads ahead
    say(pair.theirs, text);
    ::shutdown(pair.theirs.get(), SHUT_WR);
    io.restart();
    io.poll();
    EXPECT_FALSE(pair.ours->nothing_heard());
    EXPECT_FALSE(pair.ours->idle_and_clean());
    run_on(io, [&]() -> Task<void> {
        std::array<char, 3000> bytes{};
        std::size_t read = 0;
        while (const std::size_t size = (co_await pair.ours->read_some(bytes)).value()) {
            read += size;
        }
        EXPECT_EQ(read, text.size());
    });
}

TEST(SocketConnection, HearsAheadThatThePeerHasGone) {
    for (const bool by_reset : {false, true}) {
        SCOPED_TRACE(by_reset);
        asio::io_context io{1};
        Pair pair = tcp_pair(io);
        pair.ours->read_ahead();
        io.poll();
        if (by_reset) {
            reset(pair.theirs);
        } else {
            ::close(pair.theirs.release());
        }
        io.restart();
        io.poll();
        EXPECT_FALSE(pair.ours->nothing_heard());
        run_on(io, [&]() -> Task<void> {
            std::array<char, 10> bytes{};
            const auto size = co_await pair.ours->read_some(bytes);
            EXPECT_EQ(size.has_value(), !by_reset);
        });
    }
}

TEST(SocketConnection, WaitsForAReadThatWasBegunAhead) {
    asio::io_context io{1};
    Pair pair = tcp_pair(io);
    run_on(io, [&]() -> Task<void> {
        std::array<char, 10> bytes{};
        pair.ours->read_ahead();
        asio::post(io, [&] { say(pair.theirs, "abc"); });
        EXPECT_EQ(co_await pair.ours->read_some(bytes), 3U);
        EXPECT_EQ(std::string_view(bytes.data(), 3), "abc");

        pair.ours->read_ahead();
        pair.ours->expire_at(SystemClock{}.now() + std::chrono::milliseconds{10});
        const auto late = co_await pair.ours->read_some(bytes);
        EXPECT_EQ(late ? ErrorCode::internal : late.error().code, ErrorCode::timeout);

        pair.ours->expire_at(TimePoint::max());
        pair.ours->read_ahead();
        asio::post(io, [&] { pair.ours->close(); });
        const auto closed = co_await pair.ours->read_some(bytes);
        EXPECT_EQ(closed ? ErrorCode::internal : closed.error().code, ErrorCode::cancelled);
    });
}

TEST(SocketConnection, AReadBegunAheadOutlivesWhoWaitedForIt) {
    asio::io_context io{1};
    Pair pair = tcp_pair(io);
    bool ended = false;
    const auto wait = [&]() -> Task<void> {
        const auto end = [&ended](bool*) { ended = true; };
        const std::unique_ptr<bool, decltype(end)> told{&ended, end};
        std::array<char, 10> bytes{};
        ignore(co_await pair.ours->read_some(bytes), "it is cancelled");
        co_await asio::post(io, asio::use_awaitable);
        ADD_FAILURE() << "a cancelled coroutine went on";
    };
    pair.ours->read_ahead();
    TaskGroup group{io.get_executor()};
    group.spawn("reader", wait());
    io.poll();
    EXPECT_FALSE(ended);
    group.cancel();
    io.restart();
    io.poll();
    EXPECT_TRUE(ended);
    say(pair.theirs, "abc");
    run_on(io, [&]() -> Task<void> {
        std::array<char, 10> bytes{};
        EXPECT_EQ(co_await pair.ours->read_some(bytes), 3U);
    });
}

TEST(SocketConnection, DoesNotLeakIntoPrograms) {
    const auto descriptor = open_stream_socket(AF_INET);
    ASSERT_TRUE(descriptor.has_value());
    EXPECT_NE(::fcntl(descriptor->get(), F_GETFD) & FD_CLOEXEC, 0);
    EXPECT_NE(::fcntl(descriptor->get(), F_GETFL) & O_NONBLOCK, 0);
}

}  // namespace
}  // namespace nova::net

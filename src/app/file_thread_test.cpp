#include <atomic>
#include <thread>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "app/file_thread.hpp"
#include "net/test_server.hpp"

namespace nova::app {
namespace {

TEST(FileThread, RunsWorkElsewhereAndComesBack) {
    asio::io_context io{1};
    net::testing::run_on(io, [&]() -> Task<void> {
        FileThread files{io.get_executor()};
        auto where = std::make_shared<std::thread::id>();
        co_await files.run([where]() -> Task<void> {
            *where = std::this_thread::get_id();
            co_return;
        });
        EXPECT_NE(*where, std::this_thread::get_id());
        EXPECT_NE(*where, std::thread::id{});
        co_await files.leave();
    });
}

TEST(FileThread, ACancelHereEndsTheWorkThere) {
    asio::io_context io{1};
    net::testing::run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        FileThread files{io.get_executor()};

        struct Flags {
            std::atomic<bool> begun = false;
            std::atomic<bool> unwound = false;
        };

        auto flags = std::make_shared<Flags>();
        TaskGroup tasks{io.get_executor()};
        tasks.spawn("asker", [](FileThread& thread, std::shared_ptr<Flags> f) -> Task<void> {
            co_await thread.run([f]() -> Task<void> {
                struct Mark {
                    std::shared_ptr<Flags> flags;

                    ~Mark() { flags->unwound = true; }
                } mark{f};

                f->begun = true;
                SystemClock own;
                co_await own.sleep_for(std::chrono::hours{1});
            });
        }(files, flags));
        const Deadline deadline = Deadline::in(clock, std::chrono::seconds{10});
        while (!flags->begun && !deadline.passed(clock)) {
            co_await clock.sleep_for(Milliseconds{1});
        }
        tasks.cancel();
        co_await tasks.join();
        co_await files.leave();
        EXPECT_TRUE(flags->unwound);
    });
}

}  // namespace
}  // namespace nova::app

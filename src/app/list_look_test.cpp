// Looks, one after the other.
#include <gtest/gtest.h>

#include "app/list_look.hpp"
#include "net/test_server.hpp"

namespace nova::app {
namespace {

using gateway::Reach;
using net::testing::run_on;

struct Looks {
    explicit Looks(asio::io_context& io)
        : executor{io.get_executor()}, look{{
                                           .executor = executor,
                                           .here = [this] { return note("here"); },
                                           .clouds = [this] { return note("clouds"); },
                                           .tell = [this] { return note("told"); },
                                       }} {}

    Task<void> note(std::string what) {
        done += (done.empty() ? "" : " ") + what;
        if (what == "here" && misses_meanwhile) {
            look.missed(Reach::everywhere);
            misses_meanwhile = false;
        }
        co_return;
    }

    Task<void> until(std::string_view all) {
        SystemClock clock;
        for (int turn = 0; turn < 2000 && done != all; ++turn) {
            co_await clock.sleep_for(std::chrono::milliseconds{1});
        }
        EXPECT_EQ(done, all);
    }

    asio::any_io_executor executor;
    std::string done;
    bool misses_meanwhile = false;
    ListLook look;
};

void with_looks(const std::function<Task<void>(Looks&)>& body) {
    asio::io_context io{1};
    Looks looks{io};
    run_on(io, [&]() -> Task<void> {
        TaskGroup group{io.get_executor()};
        group.spawn("look", looks.look.run());
        co_await body(looks);
        group.cancel();
        co_await group.join();
    });
}

TEST(ListLook, AsksThisMachineThenTheCloudsAndTells) {
    with_looks([](Looks& looks) -> Task<void> {
        looks.look.missed(Reach::everywhere);
        looks.look.missed(Reach::here);
        co_await looks.until("here clouds told");
    });
}

TEST(ListLook, ForAKeyThatNeverLeavesNoCloudIsAsked) {
    with_looks([](Looks& looks) -> Task<void> {
        looks.look.missed(Reach::here);
        co_await looks.until("here told");
    });
}

TEST(ListLook, WhatIsMissedWhileItLooksIsLookedForAgain) {
    with_looks([](Looks& looks) -> Task<void> {
        looks.misses_meanwhile = true;
        looks.look.missed(Reach::here);
        co_await looks.until("here told here clouds told");
    });
}

}  // namespace
}  // namespace nova::app

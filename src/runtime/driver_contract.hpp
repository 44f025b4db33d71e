// What every runtime driver promises, as a test suite: include it in one test file per program and
// instantiate it with the drivers there are.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <gtest/gtest.h>

#include "runtime/driver_world.hpp"

namespace nova::runtime {

class DriverContract : public testing::TestWithParam<DriverCase> {
protected:
    DriverContract() : world_{GetParam().make()} {}

    RuntimeDriver& driver() { return world_->driver(); }

    template <class T>
    T await(Task<T> task) {
        std::optional<T> result;
        asio::co_spawn(
            world_->context(), std::move(task),
            [&result](std::exception_ptr exception, T value) {
                EXPECT_FALSE(exception);
                result = std::move(value);
            }
        );
        const bool done = world_->run_until([&result] { return result.has_value(); });
        if (!done) {
            ADD_FAILURE() << "the driver does not answer";
            std::abort();  // the coroutine still holds references into this frame
        }
        return *std::move(result);
    }

    InstanceHandle start(std::uint64_t generation = 1) {
        auto handle = await(driver().start(world_->spec({generation})));
        EXPECT_TRUE(handle) << handle.error().message;
        return handle.value_or(InstanceHandle{});
    }

    bool running(const InstanceHandle& handle) {
        const auto status = await(driver().inspect(handle));
        return status && status->state == InstanceStatus::State::running;
    }

    std::vector<OwnedInstance> owned() { return owned_by(world_->install(), "local"); }

    std::vector<OwnedInstance> owned_by(InstallId install, std::string slot) {
        auto list = await(driver().list_owned(std::move(install), {std::move(slot)}));
        EXPECT_TRUE(list);
        return list.value_or(std::vector<OwnedInstance>{});
    }

    std::unique_ptr<DriverWorld> world_;
};

TEST_P(DriverContract, SaysThatItIsUsable) {
    const auto fingerprint = await(driver().fingerprint());
    ASSERT_TRUE(fingerprint);
    EXPECT_TRUE(fingerprint->usable);
    EXPECT_FALSE(fingerprint->detail.empty());
}

TEST_P(DriverContract, PreparesAsOftenAsItIsAsked) {
    for (int i = 0; i < 2; ++i) {
        EXPECT_TRUE(await(driver().prepare(world_->spec({1}), nullptr)));
    }
}

TEST_P(DriverContract, StartsAnInstanceWithTheIdentityAndAnAddress) {
    const InstanceSpec spec = world_->spec({7});
    const InstanceHandle handle = start(7);
    EXPECT_EQ(handle.identity, spec.identity);
    EXPECT_EQ(handle.name, spec.name);
    EXPECT_EQ(handle.runtime, spec.runtime);
    EXPECT_FALSE(handle.endpoint.host.empty());
    EXPECT_NE(handle.endpoint.port, 0);
    EXPECT_TRUE(running(handle));
    EXPECT_TRUE(await(driver().stop(handle, RuntimeDriver::Force::graceful)));
}

TEST_P(DriverContract, GivesACancelledWaitBackAndLeavesTheInstanceAlone) {
    const InstanceHandle handle = start();
    asio::cancellation_signal cancel;
    std::exception_ptr thrown;
    bool ended = false;
    asio::co_spawn(
        world_->context(), driver().wait(handle),
        asio::bind_cancellation_slot(
            cancel.slot(),
            [&](std::exception_ptr exception, const Result<ExitStatus>&) {
                thrown = exception;
                ended = true;
            }
        )
    );
    EXPECT_TRUE(running(handle));
    EXPECT_FALSE(ended);
    cancel.emit(asio::cancellation_type::terminal);
    ASSERT_TRUE(world_->run_until([&ended] { return ended; }));
    ASSERT_TRUE(thrown);
    EXPECT_THROW(std::rethrow_exception(thrown), boost::system::system_error);  // aborted
    EXPECT_TRUE(running(handle));
    EXPECT_TRUE(await(driver().stop(handle, RuntimeDriver::Force::kill)));
}

TEST_P(DriverContract, LeavesNothingBehindAfterAStop) {
    for (const auto force : {RuntimeDriver::Force::graceful, RuntimeDriver::Force::kill}) {
        const InstanceHandle handle = start();
        ASSERT_TRUE(await(driver().stop(handle, force)));
        EXPECT_TRUE(owned().empty());
        EXPECT_EQ(running(handle), !GetParam().owns);
        // Stopping what is gone is no error.
        EXPECT_TRUE(await(driver().stop(handle, force)));
    }
}

TEST_P(DriverContract, ListsWhatItOwnsAndNothingOfOthers) {
    const InstanceHandle first = start(1);
    const InstanceHandle second = start(2);
    if (GetParam().owns) {
        const auto list = owned();
        ASSERT_EQ(list.size(), 2U);
        for (const OwnedInstance& instance : list) {
            EXPECT_EQ(instance.status.state, InstanceStatus::State::running);
            const bool known = instance.handle == first || instance.handle == second;
            EXPECT_TRUE(known) << instance.handle.identity.marker();
        }
    }
    const std::string install = world_->install().value;
    EXPECT_TRUE(owned_by({install}, "embed").empty());
    EXPECT_TRUE(owned_by({install.substr(1)}, "local").empty());
    EXPECT_TRUE(owned_by({install.substr(0, install.size() - 1)}, "local").empty());
    EXPECT_TRUE(await(driver().stop(first, RuntimeDriver::Force::kill)));
    if (GetParam().owns) {
        ASSERT_EQ(owned().size(), 1U);
        EXPECT_EQ(owned().front().handle, second);
    }
    EXPECT_TRUE(await(driver().stop(second, RuntimeDriver::Force::kill)));
    EXPECT_TRUE(owned().empty());
}

TEST_P(DriverContract, NeverStartsTheSameInstanceTwice) {
    if (GetParam().owns) {
        const InstanceHandle handle = start();
        const auto again = await(driver().start(world_->spec({1})));
        ASSERT_FALSE(again);
        EXPECT_EQ(again.error().code, ErrorCode::conflict);
        EXPECT_TRUE(running(handle));
        EXPECT_EQ(owned().size(), 1U);
        EXPECT_TRUE(await(driver().stop(handle, RuntimeDriver::Force::kill)));
        EXPECT_TRUE(await(driver().stop(start(), RuntimeDriver::Force::kill)));
    }
}

TEST_P(DriverContract, TellsEverybodyWhoWaitsThatAnInstanceEnded) {
    if (GetParam().owns) {
        const InstanceHandle handle = start();
        int told = 0;
        for (int i = 0; i < 3; ++i) {
            asio::co_spawn(
                world_->context(), driver().wait(handle),
                [&told](std::exception_ptr exception, const Result<ExitStatus>& status) {
                    EXPECT_FALSE(exception);
                    EXPECT_TRUE(status);
                    ++told;
                }
            );
        }
        EXPECT_TRUE(running(handle));
        EXPECT_EQ(told, 0);
        world_->crash(handle);
        ASSERT_TRUE(world_->run_until([&told] { return told == 3; }));
        EXPECT_FALSE(running(handle));
        // Later, the same answer at once.
        EXPECT_TRUE(await(driver().wait(handle)));
        EXPECT_TRUE(await(driver().stop(handle, RuntimeDriver::Force::graceful)));
    }
}

TEST_P(DriverContract, BoundsTheLogItReturns) {
    const InstanceHandle handle = start();
    const auto tail = await(driver().log_tail(handle, Bytes{64}));
    ASSERT_TRUE(tail);
    EXPECT_LE(tail->size(), 64U);
    EXPECT_TRUE(await(driver().stop(handle, RuntimeDriver::Force::kill)));
}

}  // namespace nova::runtime

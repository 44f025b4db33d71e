// How long a stop waits for the memory of the GPU, in virtual time.
#include <deque>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "core/task_group.hpp"
#include "lifecycle/memory_release.hpp"

namespace nova::lifecycle {
namespace {

// Says one figure after the other, then the last one for ever.
class Readings final : public MemoryPort {
public:
    explicit Readings(std::deque<std::optional<Bytes>> figures) : figures_{std::move(figures)} {}

    Task<MemoryAnswer> admits(engine::BackendSpec, engine::ResolvedModel) override {
        co_return MemoryAnswer{};
    }

    Task<std::optional<Bytes>> gpu_free() override {
        ++looks;
        const auto now = figures_.front();
        if (figures_.size() > 1) {
            figures_.pop_front();
        }
        co_return now;
    }

    std::size_t looks = 0;

private:
    std::deque<std::optional<Bytes>> figures_;
};

Task<void> ask(Readings& memory, Clock& clock, GpuReading reading, std::optional<bool>& answer) {
    answer = co_await gpu_memory_released(memory, clock, reading);
}

std::optional<bool> released(Readings& memory, GpuReading reading) {
    asio::io_context io;
    VirtualClock clock;
    TaskGroup tasks{io.get_executor()};
    std::optional<bool> answer;
    tasks.spawn("ask", ask(memory, clock, reading, answer));
    for (int i = 0; i < 100 && !answer; ++i) {
        io.restart();
        while (io.poll() > 0) {
        }
        clock.jump_to_next();
    }
    io.restart();
    io.poll();
    return answer;
}

TEST(MemoryRelease, HasNothingToWaitForWithoutAGpu) {
    Readings memory{{std::nullopt}};
    EXPECT_EQ(released(memory, {.before_start = {}, .before_stop = {}}), true);
    EXPECT_EQ(memory.looks, 0U);
}

TEST(MemoryRelease, DoesNotWaitForAnInstanceThatHeldNothingThere) {
    Readings memory{{gib(10)}};
    EXPECT_EQ(released(memory, {.before_start = gib(10), .before_stop = gib(10)}), true);
    EXPECT_EQ(memory.looks, 0U);
}

TEST(MemoryRelease, WaitsUntilWhatItTookCameBack) {
    Readings memory{{gib(10), gib(12), gib(20)}};
    EXPECT_EQ(released(memory, {.before_start = gib(20), .before_stop = gib(10)}), true);
    EXPECT_EQ(memory.looks, 3U);
}

TEST(MemoryRelease, SaysThatItNeverCameBack) {
    Readings memory{{gib(10)}};
    EXPECT_EQ(released(memory, {.before_start = gib(20), .before_stop = gib(10)}), false);
}

TEST(MemoryRelease, WaitsUntilTheFigureRestsForAnAdoptedOne) {
    Readings memory{{gib(10), gib(15), gib(20), gib(20)}};
    EXPECT_EQ(released(memory, {.before_start = {}, .before_stop = gib(10)}), true);
    EXPECT_EQ(memory.looks, 4U);
}

}  // namespace
}  // namespace nova::lifecycle

// Polls the free memory of the GPUs after a stop.
#include "lifecycle/memory_release.hpp"

#include <algorithm>

namespace nova::lifecycle {
namespace {

constexpr std::chrono::seconds kLimit{10};
constexpr std::chrono::milliseconds kLookAgain{250};
constexpr Bytes kNoise = mib(64);  // what other programs come and go with

std::uint64_t between(Bytes a, Bytes b) {
    return std::max(a.count, b.count) - std::min(a.count, b.count);
}

}  // namespace

Task<bool> gpu_memory_released(MemoryPort& memory, Clock& clock, GpuReading reading) {
    if (!reading.before_stop) {
        co_return true;
    }
    std::optional<Bytes> enough;
    if (reading.before_start) {
        if (reading.before_start->count <= reading.before_stop->count + kNoise.count) {
            co_return true;  // it held nothing there
        }
        const std::uint64_t held = reading.before_start->count - reading.before_stop->count;
        enough = Bytes{reading.before_stop->count + held / 10 * 9};
    }
    const TimePoint end = clock.now() + kLimit;
    std::optional<Bytes> last;
    for (;;) {
        const auto free = co_await memory.gpu_free();
        const bool settled = !enough && free && last && between(*free, *last) <= kNoise.count;
        if (!free || settled || (enough && free->count >= enough->count)) {
            co_return true;
        }
        last = free;
        if (clock.now() >= end) {
            co_return false;
        }
        co_await clock.sleep_for(kLookAgain);
    }
}

}  // namespace nova::lifecycle

// Gone means that its memory came back: drivers of GPUs free it a moment after the process ended.
#pragma once

#include "core/clock.hpp"
#include "core/task.hpp"
#include "lifecycle/memory_port.hpp"

namespace nova::lifecycle {

struct GpuReading {
    std::optional<Bytes> before_start;  // free right before the instance was started
    std::optional<Bytes> before_stop;
};

// Returns when the GPU has back what the instance took: nine tenths of the difference of the two
// readings; without the first one, when two readings in a row agree. False: 10 s were not enough.
Task<bool> gpu_memory_released(MemoryPort& memory, Clock& clock, GpuReading reading);

}  // namespace nova::lifecycle

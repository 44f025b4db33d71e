// Everything that can happen to a slot.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "lifecycle/backend_state.hpp"

namespace nova::lifecycle {

struct Booted {};

struct Wished {
    std::optional<Target> target;  // generation is given by the machine
};

struct CancelWished {
    Generation generation;
};

struct Leaving {};

struct FoundInstance {
    SpecHash host;
    Generation generation;
    bool alive = false;
};

struct Listed {
    std::vector<FoundInstance> found;
};

// Nothing is known then: whatever cannot be asked may run.
struct ListFailed {
    std::optional<Failure> failure{};
};

struct Swept {};

struct SweepFailed {};

struct Prepared {
    SpecHash spec;
};

struct PrepareFailed {
    SpecHash spec;
    Failure failure;
};

// Whether the wanted instance may start beside the one that serves.
struct Admitted {
    Generation wish;
    bool beside = false;
    std::optional<Failure> refusal;  // it was to be blue-green or not at all, and cannot be
};

struct Started {
    Generation generation;
    std::chrono::nanoseconds start_limit{};  // of this engine; the policy's where that is longer
    std::chrono::nanoseconds stall_limit{};  // likewise
};

// The instance may exist all the same: it is stopped before anything else happens.
struct StartFailed {
    Generation generation;
    Failure failure;
};

struct Probed {
    enum class Verdict : std::uint8_t { ready, loading, failed };
    Generation generation;
    Verdict verdict = Verdict::failed;
    bool worked = false;  // since the last look, as far as it shows (supervision.hpp)
    std::chrono::nanoseconds took{};
};

// Loading goes on: bytes, log lines or a percentage moved since the last time.
struct Progressed {
    Generation generation;
    std::optional<double> share{};  // 0..1, where it is told
};

struct Loaded {
    SpecHash spec;
};

struct LoadFailed {
    SpecHash spec;
    Failure failure;
};

struct Published {};

struct PublishFailed {};

struct Drained {
    std::size_t left = 0;
};

struct CutDone {};

struct Exited {
    Generation generation;
    Failure failure;
};

// It runs and answers, but what it was given is gone (a GPU), and a new one would have it again.
struct Condemned {
    Generation generation;
    Failure failure;
};

// reading: what its log says about why it had to go; empty when it says nothing.
struct Stopped {
    Generation generation;
    std::optional<Failure> reading;
};

struct StopFailed {
    Generation generation;
};

struct Tick {};

// What the gateway has seen since the last look.
struct UseSeen {
    Generation generation;
    bool used = false;
};

// Somebody asks for what is parked.
struct Woken {};

using Event = std::variant<
    Booted, Wished, CancelWished, Leaving, Listed, ListFailed, Swept, SweepFailed, Prepared,
    PrepareFailed, Admitted, Started, StartFailed, Probed, Progressed, Loaded, LoadFailed,
    Published, PublishFailed, Drained, CutDone, Exited, Condemned, Stopped, StopFailed, Tick,
    UseSeen, Woken>;

}  // namespace nova::lifecycle

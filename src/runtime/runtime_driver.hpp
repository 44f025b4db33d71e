// Where instances live: processes, containers, or somebody else's server. Never retries or decides.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "core/deadline.hpp"
#include "core/result.hpp"
#include "core/units.hpp"
#include "runtime/instance_spec.hpp"

namespace nova::runtime {

// What a long step reports. Totals are empty until known; never an invented number.
struct Progress {
    std::string step;  // "image", "weights", "program"
    std::string detail;
    Bytes done;
    std::optional<Bytes> total;
};

using ProgressSink = std::function<void(const Progress&)>;

struct Fingerprint {
    bool usable = false;
    std::string detail;  // version, or why it is not usable and what to do
};

struct OwnedInstance {
    InstanceHandle handle;
    InstanceStatus status;
};

struct ExecOutput {
    int exit_code = 0;
    std::string out;
    std::string err;
};

// All errors: runtime_failed unless said; every sentence names the program or image.
class RuntimeDriver {
public:
    virtual ~RuntimeDriver() = default;

    virtual Task<Result<Fingerprint>> fingerprint() = 0;
    // Finds the program or pulls the image. Idempotent. Error not_found: with the remedy.
    virtual Task<Result<void>> prepare(InstanceSpec spec, ProgressSink progress) = 0;
    // Returns once the process or container exists (not: is ready). Error conflict: name or port.
    virtual Task<Result<InstanceHandle>> start(InstanceSpec spec) = 0;
    virtual Task<Result<InstanceStatus>> inspect(InstanceHandle handle) = 0;
    // Returns when the instance has ended; at once when it has already.
    virtual Task<Result<ExitStatus>> wait(InstanceHandle handle) = 0;
    // stop_signal, grace, then kill; ok means everything that carries the marker is gone.
    enum class Force : std::uint8_t { graceful, kill };
    virtual Task<Result<void>> stop(InstanceHandle handle, Force force) = 0;
    // Everything of this installation and slot that runs or lies around, by marker or label.
    virtual Task<Result<std::vector<OwnedInstance>>>
    list_owned(InstallId install, SlotName slot) = 0;
    // The end of this run's log, redaction is the caller's.
    virtual Task<Result<std::string>> log_tail(InstanceHandle handle, Bytes at_most) = 0;
    virtual Task<Result<ExecOutput>>
    exec(InstanceHandle handle, std::vector<std::string> argv, Deadline deadline) = 0;
};

}  // namespace nova::runtime

// A server that somebody else runs: nova knows its address and leaves it alone (decisions.md 2.18).
#pragma once

#include <string>
#include <vector>

#include "runtime/runtime_driver.hpp"

namespace nova::runtime {

class ExternalDriver final : public RuntimeDriver {
public:
    Task<Result<Fingerprint>> fingerprint() override;
    Task<Result<void>> prepare(InstanceSpec spec, ProgressSink progress) override;
    // The handle's endpoint is spec.listen. Error invalid_argument: it has no host or port.
    Task<Result<InstanceHandle>> start(InstanceSpec spec) override;
    // Always running: whether it answers is the prober's business.
    Task<Result<InstanceStatus>> inspect(InstanceHandle handle) override;
    // Never returns; ends by cancellation.
    Task<Result<ExitStatus>> wait(InstanceHandle handle) override;
    Task<Result<void>> stop(InstanceHandle handle, Force force) override;
    Task<Result<std::vector<OwnedInstance>>> list_owned(InstallId install, SlotName slot) override;
    // Empty: its log is not ours to read.
    Task<Result<std::string>> log_tail(InstanceHandle handle, Bytes at_most) override;
    // Error unsupported.
    Task<Result<ExecOutput>>
    exec(InstanceHandle handle, std::vector<std::string> argv, Deadline deadline) override;
};

}  // namespace nova::runtime

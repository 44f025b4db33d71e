// Engines that are programs on this machine: one process group, one log file, one free port each.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "process/child_process.hpp"
#include "runtime/instance_record.hpp"
#include "runtime/runtime_driver.hpp"

namespace nova::runtime {

struct ProcessDriverOptions {
    std::string records_folder;                // DIR/instances
    std::vector<std::string> program_folders;  // searched in order, before PATH
    std::string path;                          // PATH: searched, and handed to the child
    std::string home;                          // HOME and LANG of the child; empty: not set
    std::string lang;
};

// Single-threaded: all calls on the executor's thread. Does not end what it started when it is
// destroyed: a later nova adopts it (decisions.md 1.8).
class ProcessDriver final : public RuntimeDriver {
public:
    ProcessDriver(asio::any_io_executor executor, Clock& clock, ProcessDriverOptions options);

    Task<Result<Fingerprint>> fingerprint() override;
    Task<Result<void>> prepare(InstanceSpec spec, ProgressSink progress) override;
    // Error conflict: this identity runs already; precondition: port in use, log not writable.
    Task<Result<InstanceHandle>> start(InstanceSpec spec) override;
    Task<Result<InstanceStatus>> inspect(InstanceHandle handle) override;
    Task<Result<ExitStatus>> wait(InstanceHandle handle) override;
    Task<Result<void>> stop(InstanceHandle handle, Force force) override;
    // Instances whose first process is gone but that left others behind are listed as gone: stop()
    // ends the rest.
    Task<Result<std::vector<OwnedInstance>>> list_owned(InstallId install, SlotName slot) override;
    Task<Result<std::string>> log_tail(InstanceHandle handle, Bytes at_most) override;
    // A plain command beside the instance, with PATH, HOME and LANG only.
    Task<Result<ExecOutput>>
    exec(InstanceHandle handle, std::vector<std::string> argv, Deadline deadline) override;

private:
    Result<std::string> find(const std::string& program) const;
    std::vector<std::string> environment(
        const InstanceSpec& spec, const std::string& program, const std::string& port
    ) const;
    std::vector<std::string> base_environment() const;
    // Of whoever lives of that instance.
    std::optional<std::int64_t> pid_of(const InstanceIdentity& identity) const;
    Result<InstanceHandle> launch(const InstanceSpec& spec);
    ExitStatus status_of(const InstanceHandle& handle, const process::Exit& exit) const;

    Clock& clock_;
    ProcessDriverOptions options_;
    std::vector<std::string> search_;
    InstanceRecords records_;
    process::ChildProcesses children_;
    // By pid: how often the kernel had killed for want of memory when the process was started.
    std::map<std::int64_t, std::uint64_t> kills_before_;
};

}  // namespace nova::runtime

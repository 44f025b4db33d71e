// Long-running programs: started, waited for, signalled and ended with everything they left behind.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/deadline.hpp"
#include "core/result.hpp"
#include "core/task.hpp"
#include "process/process_table.hpp"
#include "process/spawn.hpp"

namespace nova::process {

// How a process ended; both empty: nobody can know, it was not our child.
struct Exit {
    std::optional<int> code;
    std::optional<int> signal;

    bool operator==(const Exit&) const = default;
};

// The programs this process started, and how they ended. Reaps each of them as soon as it ends,
// waited for or not. Single-threaded: everything on the executor's thread.
class ChildProcesses {
public:
    explicit ChildProcesses(asio::any_io_executor executor);
    ChildProcesses(const ChildProcesses&) = delete;
    ChildProcesses& operator=(const ChildProcesses&) = delete;
    // Lets go of the children without ending them.
    ~ChildProcesses();

    // Output and error go to the end of the log file, created 0600 when missing; never into a pipe,
    // whose reader might die first (decisions.md 2.11). Errors: those of process::spawn, and
    // precondition when the log cannot be written.
    Result<ProcessIdentity> start(const SpawnRequest& request, const std::string& log_path);
    // Returns when it has ended, at once when it has already. Any process, also one that an earlier
    // nova started.
    Task<Exit> wait(ProcessIdentity identity);
    // Empty while it runs.
    std::optional<Exit> ended(const ProcessIdentity& identity) const;

private:
    struct State;
    std::shared_ptr<State> state_;
};

// True when it ended, false when it still ran at the deadline.
Task<bool> ended_by(ProcessIdentity identity, Deadline deadline);

// A program with all it started: its session, and whoever carries the marker anywhere.
struct ProcessFamily {
    ProcessIdentity leader;
    std::string marker_key;
    std::string marker_value;
};

// Who of the family lives, the leader first.
std::vector<ProcessIdentity> living(const ProcessFamily& family);

enum class EndBy : std::uint8_t { signal_first, kill };

struct EndRequest {
    ProcessFamily family;
    EndBy by = EndBy::signal_first;
    int stop_signal = 15;
    Deadline grace{};    // until then they may end by themselves
    Deadline give_up{};  // killing has to be done by then
};

// Returns once nobody of the family lives. Error runtime_failed: somebody outlived SIGKILL.
Task<Result<void>> end_family(EndRequest request);

}  // namespace nova::process

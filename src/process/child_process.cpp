// Waiting is a descriptor becoming readable (pidfd), so that a wait can be cancelled and many can
// share one; whoever notices first reaps.
#include "process/child_process.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <list>
#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace nova::process {
namespace {

using Descriptor = asio::posix::stream_descriptor;

constexpr std::size_t kRememberedExits = 64;
// A killed process is gone within milliseconds; who came after the scan is found by the next one.
constexpr std::chrono::milliseconds kSweepRound{250};

// Takes the status of a child that has ended. Empty while it runs or when it is not our child.
std::optional<Exit> reap(int pidfd) {
    siginfo_t info{};
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG) != 0 ||
        info.si_pid == 0) {
        return std::nullopt;
    }
    if (info.si_code == CLD_EXITED) {
        return Exit{.code = info.si_status, .signal = std::nullopt};
    }
    return Exit{.code = std::nullopt, .signal = info.si_status};
}

constexpr std::chrono::milliseconds kLookAgain{10};

enum class Wait : std::uint8_t { ended, time_out };

// Throws operation_aborted when cancelled.
Task<Wait> readable(FileDescriptor pidfd, Deadline deadline) {
    const auto executor = co_await asio::this_coro::executor;
    // Shared with the timer: its handler may already be queued when the wait ends.
    const auto descriptor = std::make_shared<Descriptor>(executor, pidfd.release());
    const auto timed_out = std::make_shared<bool>(false);
    asio::steady_timer timer{executor};
    if (deadline.at != TimePoint::max()) {
        timer.expires_at(deadline.at);
        timer.async_wait([descriptor, timed_out](boost::system::error_code code) {
            if (!code) {
                *timed_out = true;
                descriptor->cancel();
            }
        });
    }
    boost::system::error_code code;
    co_await descriptor->async_wait(
        Descriptor::wait_read, asio::redirect_error(asio::use_awaitable, code)
    );
    if (!code) {
        co_return Wait::ended;
    }
    if (*timed_out) {
        co_return Wait::time_out;
    }
    throw boost::system::system_error{code};
}

Result<FileDescriptor> open_log(const std::string& path) {
    FileDescriptor log{
        ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)
    };
    if (!log.open()) {
        return fail(
            ErrorCode::precondition,
            fmt::format("The log file {} cannot be written: {}.", path, ::strerror(errno)),
            "Make room and check who owns the folder."
        );
    }
    return log;
}

}  // namespace

struct ChildProcesses::State : std::enable_shared_from_this<State> {
    struct Child {
        ProcessIdentity identity;
        Descriptor pidfd;
    };

    explicit State(asio::any_io_executor e) : executor{std::move(e)} {}

    void watch(ProcessIdentity identity, FileDescriptor pidfd) {
        const auto child = children.emplace(
            children.end(), Child{std::move(identity), Descriptor{executor, pidfd.release()}}
        );
        child->pidfd.async_wait(
            Descriptor::wait_read,
            [self = weak_from_this(), child](boost::system::error_code code) {
                const auto state = self.lock();
                if (state && !code) {
                    state->collect(child->identity);
                }
            }
        );
    }

    // Reaps the child if it has ended and is not reaped yet.
    void collect(const ProcessIdentity& identity) {
        const auto child = std::ranges::find(children, identity, &Child::identity);
        if (child == children.end()) {
            return;
        }
        if (const auto exit = reap(child->pidfd.native_handle())) {
            exits.emplace_back(identity, *exit);
            if (exits.size() > kRememberedExits) {
                exits.pop_front();
            }
            children.erase(child);
        }
    }

    std::optional<Exit> remembered(const ProcessIdentity& identity) const {
        const auto it = std::ranges::find(exits, identity, [](const auto& e) { return e.first; });
        return it == exits.end() ? std::nullopt : std::optional{it->second};
    }

    asio::any_io_executor executor;
    std::list<Child> children;
    std::deque<std::pair<ProcessIdentity, Exit>> exits;
};

ChildProcesses::ChildProcesses(asio::any_io_executor executor)
    : state_{std::make_shared<State>(std::move(executor))} {}

ChildProcesses::~ChildProcesses() {
    // Whoever ended meanwhile must not stay a zombie for as long as this process lives.
    while (!state_->children.empty()) {
        const ProcessIdentity identity = state_->children.front().identity;
        state_->collect(identity);
        if (!state_->children.empty() && state_->children.front().identity == identity) {
            state_->children.pop_front();
        }
    }
}

Result<ProcessIdentity>
ChildProcesses::start(const SpawnRequest& request, const std::string& log_path) {
    const auto log = open_log(log_path);
    if (!log) {
        return propagate(log);
    }
    auto identity = spawn(request, log->get(), log->get());
    if (!identity) {
        return identity;
    }
    FileDescriptor pidfd = open_pidfd(*identity);
    if (!pidfd.open()) {
        // Without a descriptor nobody would ever reap it.
        ::kill(static_cast<pid_t>(identity->pid), SIGKILL);
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(identity->pid), &info, WEXITED);
        return fail(
            ErrorCode::exhausted,
            fmt::format("{} cannot be watched: no descriptor left.", request.program)
        );
    }
    state_->watch(*identity, std::move(pidfd));
    return identity;
}

Task<Exit> ChildProcesses::wait(ProcessIdentity identity) {
    const auto state = state_;
    asio::steady_timer pause{co_await asio::this_coro::executor};
    for (;;) {
        if (FileDescriptor pidfd = open_pidfd(identity); pidfd.open()) {
            co_await readable(std::move(pidfd), Deadline::never());
        }
        state->collect(identity);
        if (const auto exit = state->remembered(identity)) {
            co_return *exit;
        }
        if (!alive(identity)) {
            co_return Exit{};
        }
        // It lives: /proc had no answer for a moment (in the middle of exec, say). Never report the
        // end of what runs.
        pause.expires_after(kLookAgain);
        co_await pause.async_wait(asio::use_awaitable);
    }
}

std::optional<Exit> ChildProcesses::ended(const ProcessIdentity& identity) const {
    state_->collect(identity);
    if (const auto exit = state_->remembered(identity)) {
        return exit;
    }
    return alive(identity) ? std::nullopt : std::optional{Exit{}};
}

Task<bool> ended_by(ProcessIdentity identity, Deadline deadline) {
    FileDescriptor pidfd = open_pidfd(identity);
    if (!pidfd.open()) {
        co_return true;
    }
    co_return co_await readable(std::move(pidfd), deadline) == Wait::ended;
}

std::vector<ProcessIdentity> living(const ProcessFamily& family) {
    std::vector<ProcessIdentity> members;
    const auto add = [&members](const ProcessIdentity& identity) {
        if (std::ranges::find(members, identity) == members.end()) {
            members.push_back(identity);
        }
    };
    if (alive(family.leader)) {
        add(family.leader);
    }
    std::ranges::for_each(session_members(family.leader), add);
    for (const MarkedProcess& marked : find_by_marker(family.marker_key, family.marker_value)) {
        if (marked.value == family.marker_value) {
            add(marked.identity);
        }
    }
    return members;
}

Task<Result<void>> end_family(EndRequest request) {
    auto members = living(request.family);
    if (request.by == EndBy::signal_first) {
        for (const ProcessIdentity& member : members) {
            send_signal(member, request.stop_signal);
        }
        for (const ProcessIdentity& member : members) {
            co_await ended_by(member, request.grace);
        }
        members = living(request.family);
    }
    while (!members.empty()) {
        for (const ProcessIdentity& member : members) {
            send_signal(member, SIGKILL);
        }
        const auto now = asio::steady_timer::clock_type::now();
        if (now >= request.give_up.at) {
            co_return fail(
                ErrorCode::runtime_failed,
                fmt::format("Process {} does not end, not even when killed.", members.front().pid),
                "It waits in the kernel, often for a device; a reboot ends it."
            );
        }
        const Deadline round{now + kSweepRound};
        for (const ProcessIdentity& member : members) {
            co_await ended_by(member, earlier(round, request.give_up));
        }
        // Who was forked between the scan and the signal shows up now.
        members = living(request.family);
    }
    co_return Result<void>{};
}

}  // namespace nova::process

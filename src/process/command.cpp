// Two pipes and a pidfd, read by callbacks that share one state: it outlives a cancelled caller
// until the killed child is reaped.
#include "process/command.hpp"

#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace nova::process {
namespace {

using Descriptor = asio::posix::stream_descriptor;

struct Stream {
    Descriptor pipe;
    std::string text{};
    std::array<char, 4096> buffer{};
};

struct Run : std::enable_shared_from_this<Run> {
    Run(asio::any_io_executor executor, FileDescriptor out_pipe, FileDescriptor err_pipe)
        : out{Descriptor{executor, out_pipe.release()}},
          err{Descriptor{executor, err_pipe.release()}}, pidfd{executor},
          done{executor, TimePoint::max()}, timer{executor} {}

    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

    ~Run() { kill(); }

    void read(Stream& stream) {
        stream.pipe.async_read_some(
            asio::buffer(stream.buffer),
            [self = shared_from_this(), &stream](boost::system::error_code code, std::size_t size) {
                if (!code) {
                    self->take(stream, size);
                    self->read(stream);
                }
            }
        );
    }

    void take(Stream& stream, std::size_t size) {
        const std::size_t room = limit - std::min(limit, stream.text.size());
        stream.text.append(stream.buffer.data(), std::min(size, room));
        truncated = truncated || size > room;
    }

    // What the child wrote before it ended lies in the pipe; whoever else holds the other end is
    // not waited for.
    void drain(Stream& stream) {
        stream.pipe.non_blocking(true);
        for (;;) {
            const ssize_t got =
                ::read(stream.pipe.native_handle(), stream.buffer.data(), stream.buffer.size());
            if (got <= 0) {
                break;
            }
            take(stream, static_cast<std::size_t>(got));
        }
        stream.pipe.close();
    }

    void watch() {
        pidfd.async_wait(
            Descriptor::wait_read,
            [self = shared_from_this()](boost::system::error_code code) {
                if (!code) {
                    self->finish();
                }
            }
        );
    }

    void finish() {
        kill();  // before reaping: until then the pid, and with it the session, is the child's
        siginfo_t info{};
        if (::waitid(P_PIDFD, static_cast<id_t>(pidfd.native_handle()), &info, WEXITED) == 0) {
            exit_code = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
        }
        finished = true;
        pidfd.close();
        timer.cancel();
        drain(out);
        drain(err);
        done.cancel();
    }

    // The whole session; nothing once the child is reaped.
    void kill() {
        if (!finished && identity.pid > 0) {
            ::kill(static_cast<pid_t>(-identity.pid), SIGKILL);
        }
    }

    ProcessIdentity identity;
    Stream out;
    Stream err;
    Descriptor pidfd;
    asio::steady_timer done;
    asio::steady_timer timer;
    std::size_t limit = 0;
    int exit_code = -1;
    bool truncated = false;
    bool finished = false;
    bool timed_out = false;
};

struct Pipe {
    FileDescriptor read_end;
    FileDescriptor write_end;
};

Result<Pipe> make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return fail(ErrorCode::exhausted, "No descriptor is left for a pipe.");
    }
    return Pipe{FileDescriptor{ends[0]}, FileDescriptor{ends[1]}};
}

// The write ends live in the child only, once this returns.
Result<std::shared_ptr<Run>> begin(asio::any_io_executor executor, const SpawnRequest& request) {
    auto out = make_pipe();
    if (!out) {
        return propagate(out);
    }
    auto err = make_pipe();
    if (!err) {
        return propagate(err);
    }
    auto run = std::make_shared<Run>(
        std::move(executor), std::move(out->read_end), std::move(err->read_end)
    );
    const auto identity = spawn(request, out->write_end.get(), err->write_end.get());
    if (!identity) {
        return propagate(identity);
    }
    run->identity = *identity;
    FileDescriptor pidfd = open_pidfd(*identity);
    if (!pidfd.open()) {
        run->kill();
        siginfo_t info{};
        ::waitid(P_PID, static_cast<id_t>(identity->pid), &info, WEXITED);
        run->finished = true;
        return fail(ErrorCode::exhausted, "No descriptor is left to watch a program.");
    }
    run->pidfd.assign(pidfd.release());
    return run;
}

}  // namespace

Task<Result<CommandOutput>>
run_command(SpawnRequest request, Deadline deadline, Bytes output_limit) {
    const auto executor = co_await asio::this_coro::executor;
    const auto begun = begin(executor, request);
    if (!begun) {
        co_return propagate(begun);
    }
    const std::shared_ptr<Run> run = *begun;
    run->limit = output_limit.count;
    run->read(run->out);
    run->read(run->err);
    run->watch();
    run->timer.expires_at(deadline.at);
    run->timer.async_wait([weak = run->weak_from_this()](boost::system::error_code code) {
        const auto late = weak.lock();
        if (late && !code) {
            late->timed_out = true;
            late->kill();
        }
    });
    boost::system::error_code code;
    while (!run->finished) {
        co_await run->done.async_wait(asio::redirect_error(asio::use_awaitable, code));
        if (!run->finished) {
            run->kill();  // cancelled; the callbacks reap it
            throw boost::system::system_error{asio::error::operation_aborted};
        }
    }
    if (run->timed_out) {
        co_return fail(
            ErrorCode::timeout,
            fmt::format("{} did not finish within its time and was ended.", request.program)
        );
    }
    co_return CommandOutput{
        .exit_code = run->exit_code,
        .out = std::move(run->out.text),
        .err = std::move(run->err.text),
        .truncated = run->truncated
    };
}

}  // namespace nova::process

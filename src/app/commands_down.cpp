// down: ends the nova that holds the data directory, and waits for its end.
#include <csignal>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/commands_blocking.hpp"
#include "app/commands_json.hpp"
#include "core/json.hpp"
#include "process/child_process.hpp"
#include "process/process_table.hpp"

namespace nova::app {
namespace {

// Behind the drain: what an engine, its memory and the last streams may take, as the daemon has it
// (app/daemon), and a margin; then somebody should look.
constexpr std::chrono::seconds kBehindTheDrain{50};
constexpr std::chrono::seconds kUsualDrain{15};

// The process of the nova that holds the folder; nothing: none does.
Result<std::optional<process::ProcessIdentity>> running_process(const std::string& data_dir) {
    const auto running = read_running_nova(data_dir);
    if (!running) {
        const bool none = running.error().code == ErrorCode::unavailable;
        return none ? Result<std::optional<process::ProcessIdentity>>{} : propagate(running);
    }
    const auto identity = process::identity_of(running->pid);
    const bool older = running->start_ticks == 0;  // a nova that did not write it down yet
    if (identity && (older || identity->start_ticks == running->start_ticks)) {
        return identity;
    }
    if (!read_running_nova(data_dir)) {
        return std::nullopt;  // it has ended in this moment
    }
    return fail(
        ErrorCode::precondition,
        fmt::format(
            "nova holds {}, but process {} of this machine is another.", data_dir, running->pid
        ),
        "It runs in a container: end it there, or by docker stop."
    );
}

// Asked before it is told to end.
std::chrono::seconds stop_limit(CommandContext& context, const std::string& data_dir) {
    auto client = client_of(context, data_dir);
    const auto settings = client ? client->get("/settings") : propagate(client);
    if (const Json* row = settings ? setting_in(*settings, "drain_s") : nullptr) {
        return std::chrono::seconds{count_in(*row, "value")} + kBehindTheDrain;
    }
    return kUsualDrain + kBehindTheDrain;
}

}  // namespace

ExitCode down_command(CommandContext& context) {
    const auto data_dir = data_dir_of(context.client, context.environment);
    if (!data_dir) {
        return context.complain(data_dir.error());
    }
    const auto found = running_process(*data_dir);
    if (!found) {
        return context.complain(found.error());
    }
    const auto& identity = *found;
    if (!identity) {
        context.terminal.line(
            context.client.json ? json_text(Json{{"stopped", false}}) : "nova is not running."
        );
        return ExitCode::ok;
    }
    const auto limit = stop_limit(context, *data_dir);
    process::send_signal(*identity, SIGTERM);
    if (!context.client.json) {
        context.terminal.progress("down", "nova ends; running requests may finish first");
    }
    const bool ended = run_blocking<bool>([&] {
        SystemClock clock;
        return process::ended_by(*identity, Deadline::in(clock, limit));
    });
    context.terminal.end_progress();
    if (!ended) {
        return context.complain(
            {.code = ErrorCode::timeout,
             .message = fmt::format(
                 "nova (process {}) still runs after {} s.", identity->pid, limit.count()
             ),
             .word = {},
             .remedy = fmt::format("See {}/nova.log.", *data_dir)}
        );
    }
    context.terminal.line(
        context.client.json ? json_text(Json{{"stopped", true}, {"pid", identity->pid}})
                            : fmt::format("nova (process {}) has ended.", identity->pid)
    );
    return ExitCode::ok;
}

}  // namespace nova::app

// start, switch, stop, status, operations: wishes and what becomes of them.
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/commands_blocking.hpp"
#include "app/commands_json.hpp"
#include "core/json.hpp"
#include "lifecycle/operation.hpp"

namespace nova::app {
namespace {

constexpr std::chrono::milliseconds kPollEvery{200};
constexpr unsigned kBarWidth = 24;

void pause_for(std::chrono::nanoseconds duration) {
    SystemClock clock;
    run_blocking<int>([&clock, duration]() -> Task<int> {
        co_await clock.sleep_for(duration);
        co_return 0;
    });
}

Result<std::map<std::string, std::string>> pairs_of(const std::vector<std::string>& options) {
    std::map<std::string, std::string> pairs;
    for (const std::string& option : options) {
        const auto equals = option.find('=');
        if (equals == std::string::npos || equals == 0) {
            return fail(
                ErrorCode::invalid_argument,
                fmt::format("--option {}: an option is written NAME=VALUE.", option),
                "For example: --option context=4096"
            );
        }
        pairs[option.substr(0, equals)] = option.substr(equals + 1);
    }
    return pairs;
}

// decisions.md 2.18: a secret need not stand in argv, where every user of the machine sees it.
Result<std::string> auth_header_from(const std::string& given) {
    if (given != "-" && !given.starts_with('@')) {
        return given;
    }
    std::string text;
    if (given == "-") {
        std::getline(std::cin, text);
    } else {
        std::ifstream file{given.substr(1)};
        if (!std::getline(file, text)) {
            return fail(
                ErrorCode::invalid_argument,
                fmt::format("--auth-header {}: the file cannot be read or is empty.", given)
            );
        }
    }
    while (!text.empty() && (text.back() == '\r' || text.back() == ' ')) {
        text.pop_back();
    }
    return text;
}

// A relative path means the caller's folder, not the daemon's.
std::string model_as_the_daemon_sees_it(const std::string& model) {
    std::error_code error;
    const bool looks_like_path = model.starts_with("./") || model.starts_with("../") ||
                                 model.starts_with("~/") || model.ends_with(".gguf");
    if (looks_like_path && std::filesystem::exists(model, error)) {
        return std::filesystem::absolute(model).lexically_normal().string();
    }
    return model;
}

// Of the phase that runs now: "weights [####....] 3.3 of 5.2 GiB, 48 MiB/s, about 40 s left".
std::string phase_line(const Json& phase) {
    std::string line = text_in(phase, "id");
    const double done = number_in(phase, "done");
    const double total = number_in(phase, "total", 0);
    const bool bytes = text_in(phase, "unit") == "bytes";
    if (total > 0) {
        line += " " + bar(done / total, kBarWidth);
        line += bytes ? fmt::format(
                            " {} of {}", human_bytes(static_cast<std::uint64_t>(done)),
                            human_bytes(static_cast<std::uint64_t>(total))
                        )
                      : fmt::format(" {:.0f} of {:.0f}", done, total);
    } else if (bytes && done > 0) {
        line += " " + human_bytes(static_cast<std::uint64_t>(done));
    }
    if (const double rate = number_in(phase, "rate", 0); rate > 0 && bytes) {
        line += fmt::format(", {}/s", human_bytes(static_cast<std::uint64_t>(rate)));
    }
    if (const double eta = number_in(phase, "eta_s", 0); eta > 0) {
        line += fmt::format(", about {} left", human_seconds(eta));
    }
    if (const std::string detail = text_in(phase, "detail"); !detail.empty()) {
        line += ": " + detail;
    }
    return printable(line);
}

void show_progress(Terminal& terminal, const Json& operation) {
    const Json& phases = array_in(operation, "phases");
    for (auto phase = phases.rbegin(); phase != phases.rend(); ++phase) {
        if (text_in(*phase, "state") == "running") {
            const std::string step = text_in(*phase, "id");
            terminal.progress(step, "  " + phase_line(*phase));
            return;
        }
    }
}

Error error_of_operation(const Json& operation) {
    Error error{.code = ErrorCode::runtime_failed, .message = "It failed."};
    const Json& told = object_in(operation, "error");
    error.word = text_in(told, "code");
    error.message = text_in(told, "detail", error.message);
    error.remedy = text_in(told, "remedy");
    if (const auto code = error_code_from(error.word)) {
        error.code = *code;
        error.word.clear();
        return error;
    }
    // An operation keeps the finer word alone; what it means for a script is in the exit code.
    constexpr std::array<std::pair<std::string_view, ErrorCode>, 6> kFiner{
        {{"model_file_not_found", ErrorCode::not_found},
         {"model_file_not_gguf", ErrorCode::unprocessable},
         {"model_file_damaged", ErrorCode::unprocessable},
         {"program_not_found", ErrorCode::precondition},
         {"library_missing", ErrorCode::precondition},
         {"port_in_use", ErrorCode::precondition}}
    };
    for (const auto& [word, code] : kFiner) {
        if (word == error.word) {
            error.code = code;
        }
    }
    return error;
}

void show_log_excerpt(Terminal& terminal, const Json& operation) {
    const std::string excerpt = text_in(object_in(operation, "error"), "log_excerpt");
    if (!excerpt.empty()) {
        terminal.note("      The engine's last lines:");
        terminal.note(printable(excerpt));
    }
}

ExitCode show_outcome(CommandContext& context, const Json& operation) {
    using lifecycle::OperationState;
    Terminal& terminal = context.terminal;
    terminal.end_progress();
    if (context.client.json) {
        terminal.line(json_text(operation));
    }
    const auto plain = !context.client.json;
    const std::string target = printable(text_in(operation, "target"));
    const auto state = lifecycle::operation_state_from(text_in(operation, "state"));
    switch (state.value_or(OperationState::failed)) {
    case OperationState::succeeded:
        if (plain) {
            terminal.line(fmt::format("{}: {} done.", target, text_in(operation, "kind")));
        }
        return ExitCode::ok;
    case OperationState::cancelled:
        if (plain) {
            terminal.note(fmt::format("nova: {} was cancelled.", target));
        }
        return ExitCode::failed;
    case OperationState::superseded:
        if (plain) {
            terminal.note(fmt::format("nova: {} was overtaken by a newer wish.", target));
        }
        return ExitCode::conflict;
    case OperationState::rolled_back:
        if (plain) {
            terminal.complain(error_of_operation(operation), Style::plain);
            terminal.note("      What ran before runs again.");
            show_log_excerpt(terminal, operation);
        }
        return ExitCode::rolled_back;
    case OperationState::failed:
    case OperationState::queued:
    case OperationState::running:
    case OperationState::cancelling:
        break;
    }
    const Error error = error_of_operation(operation);
    if (plain) {
        terminal.complain(error, Style::plain);
        show_log_excerpt(terminal, operation);
    }
    const ExitCode code = policy(error.code).exit_code;
    // "not reachable" is about nova itself, which answered very well.
    return code == ExitCode::not_reachable ? ExitCode::failed : code;
}

ExitCode finish_accepted(
    CommandContext& context, ControlClient& client, const Json& accepted,
    const WaitOptions& waiting, std::string_view what
) {
    const std::string operation = text_in(accepted, "operation");
    const bool unchanged = text_in(accepted, "status") == "unchanged";
    if (waiting.wait && !operation.empty()) {
        return follow_operation(context, client, operation, waiting.timeout_s);
    }
    if (context.client.json) {
        context.terminal.line(json_text(accepted));
    } else if (unchanged) {
        context.terminal.line(fmt::format("Nothing to do: {} already.", what));
    } else {
        context.terminal.line(fmt::format("Accepted: {} (operation {}).", what, operation));
        context.terminal.line("See how far it is with: nova status");
    }
    return ExitCode::ok;
}

}  // namespace

ExitCode
follow_operation(CommandContext& context, ControlClient& client, std::string id, double timeout_s) {
    SystemClock clock;
    const Deadline deadline = Deadline::in(
        clock,
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>{timeout_s
        })
    );
    for (;;) {
        const auto operation = client.get("/inference/operations/" + id);
        if (!operation) {
            context.terminal.end_progress();
            return context.complain(operation.error());
        }
        const auto state = lifecycle::operation_state_from(text_in(*operation, "state"));
        if (!state || lifecycle::finished(*state)) {
            return show_outcome(context, *operation);
        }
        if (!context.client.json) {
            show_progress(context.terminal, *operation);
        }
        if (deadline.passed(clock)) {
            context.terminal.end_progress();
            return context.complain(
                {.code = ErrorCode::timeout,
                 .message = fmt::format("It is not done after {}.", human_seconds(timeout_s)),
                 .word = {},
                 .remedy = "It goes on: look with nova status, or end it with nova cancel " + id}
            );
        }
        pause_for(kPollEvery);
    }
}

ExitCode send_start(CommandContext& context, ControlClient& client, const StartOptions& options) {
    const auto pairs = pairs_of(options.options);
    if (!pairs) {
        return context.complain(pairs.error());
    }
    const auto auth = auth_header_from(options.auth_header);
    if (!auth) {
        return context.complain(auth.error());
    }
    Json body = Json::object();
    const std::map<const char*, std::string> texts{
        {"model", model_as_the_daemon_sees_it(options.model)},
        {"url", options.url},
        {"auth_header", *auth},
        {"runtime", options.runtime},
        {"strategy", options.strategy},
        {"slot", options.slot}
    };
    for (const auto& [key, text] : texts) {
        if (!text.empty()) {
            body[key] = text;
        }
    }
    if (!pairs->empty()) {
        body["options"] = *pairs;
    }
    const auto accepted =
        client.post("/inference/backend/" + options.engine + "/start", json_text(body));
    if (!accepted) {
        return context.complain(accepted.error());
    }
    const std::string what = fmt::format("{} {}", options.engine, options.model);
    return finish_accepted(context, client, *accepted, options.waiting, what);
}

ExitCode start_command(CommandContext& context, const StartOptions& options) {
    auto client = ControlClient::open(context.client, context.environment);
    if (!client) {
        return context.complain(client.error());
    }
    return send_start(context, *client, options);
}

ExitCode stop_command(CommandContext& context, const StopOptions& options) {
    auto client = ControlClient::open(context.client, context.environment);
    if (!client) {
        return context.complain(client.error());
    }
    const std::string what =
        options.slot.empty() ? "nothing runs" : "nothing runs in slot " + options.slot;
    const Json body = options.slot.empty() ? Json::object() : Json{{"slot", options.slot}};
    const auto accepted = client->post("/inference/backend/stop", json_text(body));
    if (!accepted) {
        return context.complain(accepted.error());
    }
    return finish_accepted(context, *client, *accepted, options.waiting, what);
}

ExitCode cancel_command(CommandContext& context, const std::string& operation) {
    auto client = ControlClient::open(context.client, context.environment);
    if (!client) {
        return context.complain(client.error());
    }
    const auto answer = client->remove("/inference/operations/" + operation);
    if (!answer) {
        return context.complain(answer.error());
    }
    context.terminal.line(
        context.client.json ? json_text(*answer) : fmt::format("{} will be cancelled.", operation)
    );
    return ExitCode::ok;
}

ExitCode operations_command(CommandContext& context, unsigned limit) {
    auto client = ControlClient::open(context.client, context.environment);
    if (!client) {
        return context.complain(client.error());
    }
    const auto answer = client->get(fmt::format("/inference/operations?limit={}", limit));
    if (!answer) {
        return context.complain(answer.error());
    }
    if (context.client.json) {
        context.terminal.line(json_text(*answer));
        return ExitCode::ok;
    }
    for (const Json& operation : array_in(*answer, "operations")) {
        context.terminal.line(printable(fmt::format(
            "{}  {:<12} {:<8} {}  ({})", text_in(operation, "created_at"),
            text_in(operation, "state"), text_in(operation, "kind"), text_in(operation, "target"),
            text_in(operation, "id")
        )));
    }
    return ExitCode::ok;
}

namespace {

void show_slot(Terminal& terminal, const Json& status, const std::string& prefix) {
    const std::string backend = text_in(status, "backend");
    const std::string state = text_in(status, "state");
    std::string headline = backend == "none" || backend.empty() ? "no backend" : backend;
    if (const std::string model = text_in(status, "model"); !model.empty()) {
        headline += " " + model;
    }
    headline += ": " + terminal.bold(state);
    if (const std::string phase = text_in(status, "phase"); phase != state) {
        headline += " (" + phase + ")";
    }
    terminal.line(prefix + headline + ", since " + text_in(status, "since"));
    for (const std::string& text :
         {text_in(object_in(status, "switch_progress"), "detail"),
          text_in(object_in(status, "error"), "detail"),
          text_in(object_in(status, "error"), "remedy")}) {
        if (!text.empty()) {
            terminal.line("  " + printable(text));
        }
    }
    if (const std::string retry = text_in(status, "retry_at"); !retry.empty()) {
        terminal.line("  tried again at " + retry);
    }
    if (text_in(object_in(status, "error"), "detail").empty()) {
        for (const std::string& line : lines_of_last_failure(status)) {
            terminal.line("  " + printable(line));
        }
    }
    const std::string excerpt = text_in(object_in(status, "error"), "log_excerpt");
    if (!excerpt.empty()) {
        terminal.line("  From the engine's log:\n" + printable(excerpt));
    }
}

}  // namespace

ExitCode status_command(CommandContext& context) {
    auto client = ControlClient::open(context.client, context.environment);
    if (!client) {
        return context.complain(client.error());
    }
    const auto slots = client->get("/inference/slots");
    if (!slots) {
        return context.complain(slots.error());
    }
    const Json& rows = array_in(*slots, "slots");
    if (rows.empty()) {
        return context.complain(
            {.code = ErrorCode::upstream_failed, .message = "nova says nothing of its slots."}
        );
    }
    const auto& running = client->running();
    if (context.client.json) {
        Json nova{{"control", client->control().text()}};
        if (running) {
            nova["pid"] = running->pid;
            nova["gateway"] = running->gateway.text();
            nova["version"] = running->version;
        }
        Json status = rows[0];
        status["slots"] = rows;
        status["nova"] = std::move(nova);
        context.terminal.line(json_text(status));
        return ExitCode::ok;
    }
    Terminal& terminal = context.terminal;
    for (const Json& row : rows) {
        // A slot that nobody uses is not worth a line, unless it is the only one.
        const bool idle = text_in(row, "backend") == "none" && text_in(row, "state") == "stopped";
        if (&row == &rows[0] || !idle) {
            show_slot(terminal, row, &row == &rows[0] ? "" : text_in(row, "slot") + ": ");
        }
    }
    if (running) {
        terminal.line(fmt::format("  gateway  http://{}/v1", running->gateway.text()));
    }
    terminal.line(fmt::format("  control  http://{}", client->control().text()));
    return ExitCode::ok;
}

}  // namespace nova::app

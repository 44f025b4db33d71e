// serve, up, down: the daemon's beginning and end.
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/commands.hpp"
#include "app/commands_blocking.hpp"
#include "app/commands_engines.hpp"
#include "app/commands_json.hpp"
#include "app/commands_machine.hpp"
#include "app/serve.hpp"
#include "core/json.hpp"
#include "process/spawn.hpp"

namespace nova::app {
namespace {

constexpr std::chrono::seconds kDaemonStartLimit{30};
constexpr std::chrono::milliseconds kPollEvery{50};
constexpr std::size_t kLogLinesShown = 12;

void pause_for(std::chrono::nanoseconds duration) {
    SystemClock clock;
    run_blocking<int>([&clock, duration]() -> Task<int> {
        co_await clock.sleep_for(duration);
        co_return 0;
    });
}

std::string own_program() {
    std::error_code error;
    return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

std::vector<std::string> rows_of(const config::Environment& environment) {
    std::vector<std::string> rows;
    for (const auto& [name, value] : environment) {
        rows.push_back(name + "=" + value);
    }
    return rows;
}

// What was written to the log since this size; its last lines.
std::string log_since(const std::string& path, std::uintmax_t size) {
    const process::FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    std::string text(std::size_t{16} * 1024, '\0');
    const ssize_t got =
        file.open() ? ::pread(file.get(), text.data(), text.size(), static_cast<off_t>(size)) : -1;
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    while (text.ends_with('\n')) {
        text.pop_back();
    }
    std::size_t from = text.size();
    for (std::size_t lines = 0; lines < kLogLinesShown && from != std::string::npos; ++lines) {
        from = from == 0 ? std::string::npos : text.rfind('\n', from - 1);
    }
    return from == std::string::npos ? text : text.substr(from + 1);
}

struct Daemon {
    pid_t pid = 0;
    std::string log_path;
    std::uintmax_t log_size = 0;  // before it wrote anything
};

Result<Daemon> spawn_daemon(
    const config::Environment& environment, const std::string& data_dir, const UpOptions& options
) {
    std::error_code error;
    if (std::filesystem::create_directories(data_dir, error)) {
        ::chmod(data_dir.c_str(), S_IRWXU);
    }
    Daemon daemon;
    daemon.log_path = data_dir + "/nova.log";
    const process::FileDescriptor log{::open(
        daemon.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR
    )};
    if (!log.open()) {
        return fail(
            ErrorCode::precondition,
            fmt::format("The data directory {} cannot be written.", data_dir),
            "Check who owns it, or choose another with --data-dir."
        );
    }
    daemon.log_size = std::filesystem::file_size(daemon.log_path, error);
    process::SpawnRequest request;
    request.program = own_program();
    request.argv = {"serve", "--data-dir", data_dir};
    for (const auto& [name, value] : options.serve_flags) {
        std::string flag = "--" + name;
        for (char& c : flag) {
            c = c == '_' ? '-' : c;
        }
        request.argv.push_back(flag + "=" + value);
    }
    config::Environment inherited = environment;
    inherited["PATH"] = engine_path(environment);
    request.env = rows_of(inherited);
    request.working_directory = "/";
    const auto identity = process::spawn(request, log.get(), log.get());
    if (!identity) {
        return propagate(identity);
    }
    daemon.pid = static_cast<pid_t>(identity->pid);
    return daemon;
}

// What the daemon said before it ended, and with which code.
ExitCode daemon_ended(CommandContext& context, const Daemon& daemon, int status) {
    const std::string said = log_since(daemon.log_path, daemon.log_size);
    const ExitCode code = WIFEXITED(status) && WEXITSTATUS(status) != 0
                              ? static_cast<ExitCode>(WEXITSTATUS(status))
                              : ExitCode::failed;
    context.complain(
        {.code = ErrorCode::runtime_failed,
         .message = fmt::format("nova ended while starting. Its log says:\n{}", said),
         .word = "start_failed",
         .remedy = fmt::format("The whole log is {}.", daemon.log_path)}
    );
    return code;
}

// The daemon answers, or the reason why not has been printed.
std::expected<RunningNova, ExitCode>
start_daemon(CommandContext& context, const std::string& data_dir, const UpOptions& options) {
    const auto daemon = spawn_daemon(context.environment, data_dir, options);
    if (!daemon) {
        return std::unexpected{context.complain(daemon.error())};
    }
    SystemClock clock;
    const Deadline deadline = Deadline::in(clock, kDaemonStartLimit);
    while (!deadline.passed(clock)) {
        int status = 0;
        if (::waitpid(daemon->pid, &status, WNOHANG) == daemon->pid) {
            return std::unexpected{daemon_ended(context, *daemon, status)};
        }
        auto client = client_of(context, data_dir);
        if (client && client->running()->pid == daemon->pid && client->get("/health/live")) {
            return *client->running();
        }
        pause_for(kPollEvery);
    }
    return std::unexpected{context.complain(
        {.code = ErrorCode::timeout,
         .message = fmt::format("nova does not answer after {} s.", kDaemonStartLimit.count()),
         .word = {},
         .remedy = fmt::format("See {}, or end it with nova down.", daemon->log_path)}
    )};
}

// What nova up brings by itself: words of tools/engines.sh, and the same for people.
struct Missing {
    std::vector<std::string> names;
    std::string_view what;
    std::string_view no_script;  // the error where the script does not lie beside the program
    std::string_view remedy;
};

// Runs the script that installs engines and the small model; its progress goes to the terminal.
Result<void> install(CommandContext& context, const Missing& missing) {
    const auto script = engines_script(own_program());
    if (!script) {
        return fail(
            ErrorCode::precondition, std::string{missing.no_script}, std::string{missing.remedy}
        );
    }
    context.terminal.note(fmt::format("{} Installing {}.", missing.no_script, missing.what));
    process::SpawnRequest request;
    request.program = *script;
    request.argv = missing.names;
    request.env = rows_of(context.environment);
    const auto child = process::spawn(request, STDERR_FILENO, STDERR_FILENO);
    if (!child) {
        return propagate(child);
    }
    int status = 0;
    while (::waitpid(static_cast<pid_t>(child->pid), &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return fail(
            ErrorCode::precondition, fmt::format("nova could not install {}.", missing.what),
            fmt::format("Read what is printed above and try again, or: {}", missing.remedy)
        );
    }
    return {};
}

struct Choice {
    std::string engine;
    std::string model;
};

// What the setting runtime says; before a daemon runs, what it would be started with.
std::string runtime_word(CommandContext& context, ControlClient* client) {
    const auto settings = client != nullptr ? client->get("/settings") : Result<Json>{Json{}};
    if (const Json* row = settings ? setting_in(*settings, "runtime") : nullptr) {
        return text_in(*row, "value");
    }
    config::BootInputs inputs;
    inputs.environment = context.environment;
    const auto boot = config::load_boot_config(inputs);
    if (!boot) {
        return "auto";  // the daemon will say what is wrong with it
    }
    const auto seed = boot->setting_seeds.find("runtime");
    return seed == boot->setting_seeds.end() ? "auto" : seed->second.value;
}

// In a container an engine needs no program on this machine.
bool runs_in_containers(CommandContext& context, ControlClient* client) {
    const std::string word = runtime_word(context, client);
    return word == "docker" || (word == "auto" && containers_here(context).daemon);
}

// client: of a nova that runs already, else null.
Result<Choice> choose(CommandContext& context, const UpOptions& options, ControlClient* client) {
    auto engines = find_engines(context.environment);
    if (options.engine.empty() && engines.empty() && runs_in_containers(context, client)) {
        engines.push_back({.engine = "llamacpp", .program = {}});
    }
    if (options.engine.empty() && engines.empty()) {
        const Missing missing{
            .names = {"llamacpp", "model"},
            .what = "llama.cpp and a small model",
            .no_script = "No engine is installed: neither llama-server nor ollama is on PATH.",
            .remedy = "Install llama.cpp or Ollama, or run ./setup.sh in nova's sources."
        };
        if (const auto installed = install(context, missing); !installed) {
            return propagate(installed);
        }
        engines = find_engines(context.environment);
    }
    Choice choice{.engine = options.engine, .model = options.model};
    if (choice.engine.empty()) {
        if (engines.empty()) {
            return fail(ErrorCode::precondition, "No engine is installed.", "Run ./setup.sh");
        }
        choice.engine = engines.front().engine;
    }
    if (choice.model.empty()) {
        choice.model = config::value_of(context.environment, "DEFAULT_CHAT_MODEL").value_or("");
    }
    if (choice.model.empty()) {
        choice.model = cached_small_model(context.environment).value_or("");
    }
    if (choice.model.empty()) {
        const Missing missing{
            .names = {"model"},
            .what = "a small model (98 MB)",
            .no_script = "There is no model on this machine that nova knows of.",
            .remedy = "Run ./setup.sh in nova's sources, or name one: nova up --model FILE.gguf"
        };
        if (const auto installed = install(context, missing); !installed) {
            return propagate(installed);
        }
        choice.model = cached_small_model(context.environment).value_or("");
    }
    return choice;
}

void show_hardware(CommandContext& context, ControlClient& client) {
    const auto machine = client.post("/hardware/detect");
    if (!machine) {
        return;  // nova runs without knowing; nova detect tells why
    }
    std::string line = "Machine: " + text_in(object_in(*machine, "cpu"), "model", "CPU");
    line += fmt::format(", {} cores", count_in(*machine, "cpu_cores"));
    if (const auto ram = count_in(*machine, "ram_bytes"); ram > 0) {
        line += ", " + human_bytes(ram) + " RAM";
    }
    const Json& gpus = array_in(*machine, "gpus");
    line += gpus.empty() ? ", no GPU" : fmt::format(", {} GPU(s)", gpus.size());
    context.terminal.line(printable(line));
}

void show_addresses(CommandContext& context, const RunningNova& nova) {
    Terminal& terminal = context.terminal;
    terminal.line(fmt::format("OpenAI endpoint  http://{}/v1", nova.gateway.text()));
    terminal.line(fmt::format("Control          http://{}/", nova.control.text()));
    terminal.line("nova stays up; end it with: nova down");
}

std::string active_model(ControlClient& client) {
    const auto status = client.get("/inference/backend");
    return status ? text_in(*status, "active_model") : std::string{};
}

// Asks the fresh model something, streaming; the proof that everything between works.
ExitCode first_answer(
    CommandContext& context, ControlClient& client, const RunningNova& nova, Json& summary
) {
    ChatOptions chat;
    chat.prompt = "Say hello and name one thing you can help with, in one short sentence.";
    chat.max_tokens = 64;
    chat.model = active_model(client);
    context.terminal.line("");
    const auto result = stream_chat(context, nova.gateway, chat);
    if (!result) {
        context.terminal.line("");
        return context.complain(result.error());
    }
    context.terminal.line("\n");
    context.terminal.line(stats_line(*result));
    summary["answer"] = result->text;
    summary["tokens_per_s"] = result->tokens_per_s;
    return ExitCode::ok;
}

// True when something runs or is on its way and nothing else was asked for.
bool keep_what_runs(const Json& status, const UpOptions& options) {
    const std::string state = text_in(status, "state", "stopped");
    return options.model.empty() && options.engine.empty() &&
           (state == "ready" || state == "starting");
}

bool is_cloud_only(const CommandContext& context) {
    return config::value_of(context.environment, "NOVA_INFERENCE_MODE") == "cloud-only";
}

// The status once it is more than "recovering", which a daemon says while it looks around.
Result<Json> settled_status(ControlClient& client, Deadline deadline) {
    SystemClock clock;
    for (;;) {
        auto status = client.get("/inference/backend");
        if (!status || text_in(*status, "phase") != "recovering" || deadline.passed(clock)) {
            return status;
        }
        pause_for(kPollEvery);
    }
}

Error error_of_status(const Json& status) {
    Error error{
        .code = ErrorCode::runtime_failed,
        .message = fmt::format(
            "{} is not ready (state: {}).", text_in(status, "backend", "The backend"),
            text_in(status, "state", "unknown")
        )
    };
    const Json& told = object_in(status, "error");
    error.message = text_in(told, "detail", error.message);
    error.remedy = text_in(told, "remedy");
    return error;
}

// Waits for what is on its way already, and says what serves.
ExitCode keep_running(
    CommandContext& context, ControlClient& client, Json status, double timeout_s, Json& summary
) {
    SystemClock clock;
    const auto limit =
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>{timeout_s
        });
    const Deadline deadline = Deadline::in(clock, limit);
    while (text_in(status, "state") == "starting" && !deadline.passed(clock)) {
        const std::string operation = text_in(status, "operation");
        if (operation.empty()) {
            pause_for(kPollEvery);
        } else if (const auto code = follow_operation(context, client, operation, timeout_s);
                   code != ExitCode::ok) {
            return code;
        }
        auto now = client.get("/inference/backend");
        if (!now) {
            return context.complain(now.error());
        }
        status = std::move(*now);
    }
    if (text_in(status, "state") != "ready") {
        return context.complain(error_of_status(status));
    }
    const std::string model = active_model(client);
    summary["engine"] = text_in(status, "backend");
    summary["model"] = model;
    context.terminal.line(fmt::format("{} serves {}.", text_in(status, "backend"), printable(model))
    );
    return ExitCode::ok;
}

ExitCode start_and_ask(
    CommandContext& context, ControlClient& client, const RunningNova& nova, const Choice& choice,
    const UpOptions& options, Json& summary
) {
    context.terminal.line(fmt::format("Starting {} with {}", choice.engine, printable(choice.model))
    );
    StartOptions start;
    start.engine = choice.engine;
    start.model = choice.model;
    start.waiting = {.wait = true, .timeout_s = options.timeout_s};
    if (const auto code = send_start(context, client, start); code != ExitCode::ok) {
        return code;
    }
    summary["engine"] = choice.engine;
    summary["model"] = active_model(client);
    return first_answer(context, client, nova, summary);
}

// The backend's part, once a daemon answers. choice: made before, on the very first start.
ExitCode bring_backend_up(
    CommandContext& context, ControlClient& client, const RunningNova& nova,
    std::optional<Choice> choice, const UpOptions& options, Json& summary
) {
    SystemClock clock;
    const auto status = settled_status(client, Deadline::in(clock, kDaemonStartLimit));
    if (!status) {
        return context.complain(status.error());
    }
    if (keep_what_runs(*status, options)) {
        return keep_running(context, client, *status, options.timeout_s, summary);
    }
    if (!choice) {
        auto chosen = choose(context, options, &client);
        if (!chosen) {
            return context.complain(chosen.error());
        }
        choice = std::move(*chosen);
    }
    return start_and_ask(context, client, nova, *choice, options, summary);
}

ExitCode bring_up(
    CommandContext& context, const std::string& data_dir, const UpOptions& options, Json& summary
) {
    const bool cloud_only = is_cloud_only(context);
    auto running = read_running_nova(data_dir);
    const bool fresh = !running.has_value();
    std::optional<Choice> choice;
    std::error_code error;
    const bool first = fresh && !std::filesystem::exists(data_dir + "/nova.db", error);
    if (first && !cloud_only) {
        // Before the daemon starts: what is missing should leave nothing behind. A nova that has
        // run before may want something already, which only the daemon knows.
        auto chosen = choose(context, options, nullptr);
        if (!chosen) {
            return context.complain(chosen.error());
        }
        choice = std::move(*chosen);
    }
    if (fresh) {
        auto started = start_daemon(context, data_dir, options);
        if (!started) {
            return started.error();
        }
        running = std::move(*started);
    }
    auto client = client_of(context, data_dir);
    if (!client) {
        return context.complain(client.error());
    }
    summary["pid"] = running->pid;
    summary["gateway"] = running->gateway.text();
    summary["control"] = running->control.text();
    context.terminal.line(fmt::format(
        "nova {} (process {}), data directory {}", fresh ? "started" : "runs already", running->pid,
        data_dir
    ));
    if (fresh) {
        show_hardware(context, *client);
    }
    if (!cloud_only) {
        const auto code =
            bring_backend_up(context, *client, *running, std::move(choice), options, summary);
        if (code != ExitCode::ok) {
            return code;
        }
    }
    show_addresses(context, *running);
    return ExitCode::ok;
}

}  // namespace

Result<ControlClient> client_of(const CommandContext& context, const std::string& data_dir) {
    ClientOptions at = context.client;
    at.data_dir = data_dir;
    at.url.clear();
    return ControlClient::open(at, context.environment);
}

ExitCode serve_command(
    CommandContext& context, std::map<std::string, std::string> flags,
    const std::string& config_file
) {
    config::BootInputs inputs;
    if (!config_file.empty()) {
        inputs.config_file = config_file;
    }
    inputs.environment = context.environment;
    inputs.flags = std::move(flags);
    inputs.cores = std::thread::hardware_concurrency();
    const auto boot = config::load_boot_config(inputs);
    if (!boot) {
        return context.complain(boot.error());
    }
    Log log{Log::Sink::standard_error, boot->log_level.value};
    return run_serve(*boot, log);
}

ExitCode up_command(CommandContext& context, const UpOptions& options) {
    const auto data_dir = data_dir_of(context.client, context.environment);
    if (!data_dir) {
        return context.complain(data_dir.error());
    }
    Json summary = Json::object();
    if (!context.client.json) {
        return bring_up(context, *data_dir, options, summary);
    }
    // With json: the way there goes to standard error, one object to standard output.
    Terminal::Kind kind = context.terminal.kind();
    kind.muted = true;
    Terminal quiet{kind};
    CommandContext inner{context.environment, quiet, context.client};
    inner.client.json = false;
    const ExitCode code = bring_up(inner, *data_dir, options, summary);
    summary["ok"] = code == ExitCode::ok;
    context.terminal.line(json_text(summary));
    return code;
}

}  // namespace nova::app

// detect, engines, doctor, version: what this machine has, and what stands in nova's way.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "app/commands.hpp"
#include "app/commands_blocking.hpp"
#include "app/commands_engines.hpp"
#include "app/commands_json.hpp"
#include "app/machine.hpp"
#include "config/boot_config.hpp"
#include "hardware/hardware_file.hpp"
#include "hardware/hardware_probe.hpp"
#include "net/http_server.hpp"

namespace nova::app {
namespace {

namespace fs = std::filesystem;

// A small quantized model, its context and nova itself; below that nothing useful runs.
constexpr std::uint64_t kRamWanted = std::uint64_t{2} << 30U;
constexpr std::uint64_t kDiskWanted = std::uint64_t{5} << 30U;

Json text_or_null(const std::string& text) {
    return text.empty() ? Json() : Json(text);
}

// Without a daemon the command looks itself, and keeps what it saw where a daemon will find it.
Result<Json> detect_here(CommandContext& context) {
    SystemClock clock;
    const auto data_dir = data_dir_of(context.client, context.environment);
    hardware::ProbeSettings settings;
    std::error_code error;
    if (data_dir && fs::is_directory(*data_dir, error)) {
        settings.weights_folder = *data_dir;
    }
    hardware::HardwareProbe probe{make_command_runner(context.environment), clock, settings};
    auto detection = run_blocking<hardware::Detection>([&probe] { return probe.detect(); });
    hardware::HardwareSnapshot snapshot = std::move(detection.snapshot);
    if (data_dir && fs::is_directory(*data_dir, error)) {
        const fs::path file = fs::path{*data_dir} / "hardware.json";
        const auto stored = hardware::load_hardware_file(file);
        if (stored && *stored) {
            snapshot =
                hardware::merge(**stored, snapshot, hardware::Overwrite::keep_richer).snapshot;
        }
        if (const auto saved = hardware::save_hardware_file(file, snapshot); !saved) {
            context.terminal.note("nova: " + saved.error().message);
        }
    }
    return hardware::to_json(snapshot);
}

Result<Json> detect(CommandContext& context) {
    auto client = ControlClient::open(context.client, context.environment);
    if (client) {
        return client->post("/hardware/detect");
    }
    if (client.error().word == "not_running" && context.client.url.empty()) {
        return detect_here(context);
    }
    return propagate(client);
}

std::string bytes_or_dash(const Json& object, const char* key) {
    const auto it = object.find(key);
    return it != object.end() && it->is_number_unsigned() ? human_bytes(it->get<std::uint64_t>())
                                                          : "unknown";
}

void print_machine(Terminal& terminal, const Json& machine) {
    const std::string model = text_in(object_in(machine, "cpu"), "model", "unknown");
    terminal.line(
        printable(fmt::format("CPU    {}, {} cores usable", model, count_in(machine, "cpu_cores")))
    );
    terminal.line(fmt::format(
        "RAM    {}, {} free", bytes_or_dash(machine, "ram_bytes"),
        bytes_or_dash(machine, "ram_available_bytes")
    ));
    terminal.line(fmt::format("Disk   {} free", bytes_or_dash(machine, "disk_free_bytes")));
    const Json& gpus = array_in(machine, "gpus");
    for (const Json& gpu : gpus) {
        terminal.line(printable(fmt::format(
            "GPU {}  {}, {}", count_in(gpu, "index"), text_in(gpu, "name", "unknown"),
            bytes_or_dash(gpu, "vram_bytes")
        )));
    }
    if (gpus.empty()) {
        terminal.line("GPU    none found");
    }
}

// ---- doctor

enum class Verdict : std::uint8_t { ok, warn, fail };

struct Check {
    std::string name;
    Verdict verdict = Verdict::ok;
    std::string detail;
    std::string remedy{};
};

std::string_view word_of(Verdict verdict) {
    switch (verdict) {
    case Verdict::ok:
        return "ok";
    case Verdict::warn:
        return "warn";
    case Verdict::fail:
        return "fail";
    }
    return "";
}

Check check_data_dir(const std::string& data_dir) {
    std::error_code error;
    if (!fs::exists(data_dir, error)) {
        fs::path above = data_dir;
        while (!above.empty() && above != above.root_path() && !fs::exists(above, error)) {
            above = above.parent_path();
        }
        if (::access(above.c_str(), W_OK) == 0) {
            return {"data directory", Verdict::ok, data_dir + " will be made on the first start."};
        }
        return {
            "data directory", Verdict::fail, fmt::format("{} cannot be made.", data_dir),
            fmt::format("Make {} writable, or choose another with --data-dir.", above.string())
        };
    }
    if (!fs::is_directory(data_dir, error) || ::access(data_dir.c_str(), W_OK | X_OK) != 0) {
        return {
            "data directory", Verdict::fail, data_dir + " cannot be written.",
            "Check who owns it, or choose another with --data-dir."
        };
    }
    struct stat facts{};
    const std::string secret = data_dir + "/admin-secret";
    if (::stat(secret.c_str(), &facts) == 0 && (facts.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return {
            "data directory", Verdict::fail, "Other users can read " + secret + ".",
            "Run: chmod 600 " + secret
        };
    }
    return {"data directory", Verdict::ok, data_dir};
}

Check check_daemon(CommandContext& context, const std::string& data_dir) {
    const auto running = read_running_nova(data_dir);
    if (!running) {
        return {"daemon", Verdict::warn, "nova is not running.", "Start it with: nova up"};
    }
    ClientOptions at = context.client;
    at.data_dir = data_dir;
    auto client = ControlClient::open(at, context.environment);
    const auto status = client ? client->get("/inference/backend") : propagate(client);
    if (!status) {
        return {"daemon", Verdict::fail, status.error().message, status.error().remedy};
    }
    return {
        "daemon", Verdict::ok,
        fmt::format(
            "process {} runs, backend {} is {}.", running->pid, text_in(*status, "backend", "none"),
            text_in(*status, "state", "unknown")
        )
    };
}

// One row for each slot of a nova that answers; no rows where nothing went wrong.
std::vector<Check> check_failures(CommandContext& context, const std::string& data_dir) {
    ClientOptions at = context.client;
    at.data_dir = data_dir;
    auto client = ControlClient::open(at, context.environment);
    const auto slots = client ? client->get("/inference/slots") : propagate(client);
    std::vector<Check> rows;
    if (!slots) {
        return rows;  // the row of the daemon says it
    }
    for (const Json& slot : array_in(*slots, "slots")) {
        const auto lines = lines_of_last_failure(slot);
        if (!lines.empty()) {
            rows.push_back(
                {.name = "last failure",
                 .verdict = Verdict::warn,
                 .detail = lines[0],
                 .remedy = lines.size() > 1 ? lines[1] : ""}
            );
        }
    }
    return rows;
}

Check check_port(const char* name, const Endpoint& at, const char* flag, bool ours) {
    if (ours) {
        return {name, Verdict::ok, at.text() + " is nova's."};
    }
    if (const auto free = net::probe_bind(at); !free) {
        return {
            name, Verdict::fail, free.error().message,
            fmt::format("End what uses it, or choose another with {}.", flag)
        };
    }
    return {name, Verdict::ok, at.text() + " is free."};
}

Check check_engines(const config::Environment& environment) {
    const auto engines = find_engines(environment);
    if (engines.empty()) {
        return {
            "engines", Verdict::warn,
            fmt::format(
                "Neither llama-server nor ollama is on PATH or in {}.", engines_cache(environment)
            ),
            "nova up installs llama.cpp, or install one yourself."
        };
    }
    std::string list;
    for (const FoundEngine& engine : engines) {
        list += fmt::format("{}{} ({})", list.empty() ? "" : ", ", engine.engine, engine.program);
    }
    return {"engines", Verdict::ok, list};
}

Check check_amount(
    const char* name, const Json& machine, const char* key, std::uint64_t wanted, std::string remedy
) {
    const auto it = machine.find(key);
    if (it == machine.end() || !it->is_number_unsigned()) {
        return {name, Verdict::warn, "unknown"};
    }
    const auto bytes = it->get<std::uint64_t>();
    if (bytes < wanted) {
        return {
            name, Verdict::warn,
            fmt::format("{}, less than {}.", human_bytes(bytes), human_bytes(wanted)),
            std::move(remedy)
        };
    }
    return {name, Verdict::ok, human_bytes(bytes)};
}

std::vector<Check> all_checks(CommandContext& context, const std::string& data_dir) {
    std::vector<Check> checks{check_data_dir(data_dir), check_daemon(context, data_dir)};
    std::ranges::move(check_failures(context, data_dir), std::back_inserter(checks));
    config::BootInputs inputs;
    inputs.environment = context.environment;
    inputs.flags["data_dir"] = data_dir;
    const auto boot = config::load_boot_config(inputs);
    const auto running = read_running_nova(data_dir);
    if (!boot) {
        checks.push_back({"configuration", Verdict::fail, boot.error().message, boot.error().remedy}
        );
    } else {
        const Endpoint& gateway = boot->gateway_listen.value;
        const Endpoint& control = boot->control_listen.value;
        checks.push_back(check_port(
            "gateway port", gateway, "--gateway-listen", running && running->gateway == gateway
        ));
        checks.push_back(check_port(
            "control port", control, "--control-listen", running && running->control == control
        ));
    }
    checks.push_back(check_engines(context.environment));
    if (const auto machine = detect_here(context)) {
        checks.push_back(check_amount(
            "memory", *machine, "ram_bytes", kRamWanted, "Use a small model, or a cloud."
        ));
        checks.push_back(check_amount(
            "disk", *machine, "disk_free_bytes", kDiskWanted,
            "Free some space, or choose another disk with --data-dir."
        ));
    }
    return checks;
}

}  // namespace

ExitCode detect_command(CommandContext& context) {
    const auto machine = detect(context);
    if (!machine) {
        return context.complain(machine.error());
    }
    if (context.client.json) {
        context.terminal.line(json_line(*machine));
    } else {
        print_machine(context.terminal, *machine);
    }
    return ExitCode::ok;
}

ExitCode engines_command(CommandContext& context) {
    auto client = ControlClient::open(context.client, context.environment);
    const auto engines = client ? client->get("/inference/backends") : propagate(client);
    if (!engines) {
        return context.complain(engines.error());
    }
    if (context.client.json) {
        context.terminal.line(json_line(*engines));
        return ExitCode::ok;
    }
    for (const Json& engine : array_in(*engines, "backends")) {
        const bool can = flag_in(engine, "can_run") == Flag::on;
        std::string line = fmt::format(
            "{:<10} {:<10} {}", text_in(engine, "backend"),
            flag_in(engine, "running") == Flag::on     ? "running"
            : flag_in(engine, "installed") == Flag::on ? "installed"
            : can                                      ? "can run"
                                                       : "cannot run",
            can ? text_in(engine, "program") : text_in(engine, "why_not")
        );
        context.terminal.line(printable(line));
        if (!can) {
            context.terminal.line("           " + printable(text_in(engine, "remedy")));
        }
    }
    return ExitCode::ok;
}

ExitCode doctor_command(CommandContext& context) {
    const auto data_dir = data_dir_of(context.client, context.environment);
    if (!data_dir) {
        return context.complain(data_dir.error());
    }
    bool failed = false;
    Json rows = Json::array();
    for (const Check& check : all_checks(context, *data_dir)) {
        failed = failed || check.verdict == Verdict::fail;
        rows.push_back({
            {"name", check.name},
            {"verdict", word_of(check.verdict)},
            {"detail", check.detail},
            {"remedy", text_or_null(check.remedy)},
        });
        if (context.client.json) {
            continue;
        }
        context.terminal.line(printable(
            fmt::format("{:<5} {:<15} {}", word_of(check.verdict), check.name, check.detail)
        ));
        if (!check.remedy.empty()) {
            context.terminal.line(fmt::format("{:21} {}", "", printable(check.remedy)));
        }
    }
    if (context.client.json) {
        context.terminal.line(json_line(Json{{"ok", !failed}, {"checks", std::move(rows)}}));
    }
    return failed ? ExitCode::precondition : ExitCode::ok;
}

ExitCode version_command(CommandContext& context) {
    context.terminal.line(
        context.client.json ? json_line(Json{{"version", kVersion}})
                            : fmt::format("nova {}", kVersion)
    );
    return ExitCode::ok;
}

}  // namespace nova::app

// doctor: what stands in nova's way on this machine, each with what to do about it.
#include <chrono>
#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "app/commands.hpp"
#include "app/commands_blocking.hpp"
#include "app/commands_engines.hpp"
#include "app/commands_json.hpp"
#include "app/commands_machine.hpp"
#include "app/machine.hpp"
#include "config/boot_config.hpp"
#include "core/json.hpp"
#include "engine/engine_registry.hpp"
#include "engine/launch.hpp"
#include "engine/preflight.hpp"
#include "hardware/gpu_health.hpp"
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

using engine::Check;
using Verdict = engine::CheckVerdict;

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
void add_failures(
    CommandContext& context, const std::string& data_dir, std::vector<Check>& checks
) {
    ClientOptions at = context.client;
    at.data_dir = data_dir;
    auto client = ControlClient::open(at, context.environment);
    const auto slots = client ? client->get("/inference/slots") : propagate(client);
    if (!slots) {
        return;  // the row of the daemon says it
    }
    for (const Json& slot : array_in(*slots, "slots")) {
        const auto lines = lines_of_last_failure(slot);
        if (!lines.empty()) {
            checks.push_back(
                {.name = "last failure",
                 .verdict = Verdict::warn,
                 .detail = lines[0],
                 .remedy = lines.size() > 1 ? lines[1] : ""}
            );
        }
    }
}

// A nova that listens everywhere is found on the loopback address.
bool is_at(const Endpoint& found, const Endpoint& listen) {
    const auto at = client_endpoint(listen.text());
    return at && *at == found;
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
    const char* name, const std::optional<Bytes>& have, std::uint64_t wanted, std::string remedy
) {
    if (!have) {
        return {name, Verdict::warn, "unknown"};
    }
    if (have->count < wanted) {
        return {
            name, Verdict::warn,
            fmt::format("{}, less than {}.", human_bytes(have->count), human_bytes(wanted)),
            std::move(remedy)
        };
    }
    return {name, Verdict::ok, human_bytes(have->count)};
}

// What a driver or a card says is wrong, whether an engine runs or not.
Check check_gpus(CommandContext& context, const hardware::HardwareSnapshot& machine) {
    if (machine.gpus.empty()) {
        return {"gpus", Verdict::ok, "None; engines compute on the processor."};
    }
    SystemClock clock;
    hardware::HardwareProbe probe{make_command_runner(context.environment), clock, {}};
    const auto report =
        run_blocking<hardware::GpuReport>([&] { return probe.look_at_gpus(machine, {}); });
    const auto finding = hardware::judge_gpus(machine, report, {});
    if (finding.trouble != hardware::GpuTrouble::none) {
        return {"gpus", Verdict::fail, finding.sentence, finding.remedy};
    }
    std::string names;
    for (const auto& gpu : machine.gpus) {
        names += fmt::format("{}{}", names.empty() ? "" : ", ", gpu.name);
    }
    return {"gpus", Verdict::ok, names};
}

// What would stand in the way of each engine in a container, in one line.
Check check_engine(
    CommandContext& context, const engine::EngineSpec& spec,
    const hardware::HardwareSnapshot& machine
) {
    const std::string name = "container " + spec.name.value;
    engine::BackendSpec wish;
    wish.engine = spec.name;
    engine::LaunchPlace place;
    place.runtime = runtime::RuntimeKind::docker;
    const auto planned = engine::plan_launch(spec, wish, {}, machine, place);
    if (!planned) {
        return {name, Verdict::warn, planned.error().message, planned.error().remedy};
    }
    const auto checks =
        engine::preflight(spec, *planned, machine, containers_here(context, planned->image));
    std::string image;
    for (const Check& check : checks) {
        if (check.verdict == Verdict::fail) {
            // Native engines go on without it: no reason for doctor to fail.
            return {name, Verdict::warn, check.detail, check.remedy};
        }
        image = check.name == "image" ? check.detail : image;
    }
    return {name, Verdict::ok, image};
}

void add_container_checks(
    CommandContext& context, const std::string& data_dir, const hardware::HardwareSnapshot& machine,
    std::vector<Check>& checks
) {
    const auto facts = containers_here(context);
    Check docker = engine::check_docker(facts);
    if (docker.verdict == Verdict::fail) {
        docker.verdict = Verdict::warn;  // engines run as native programs then
        checks.push_back(std::move(docker));
        return;
    }
    checks.push_back(std::move(docker));
    const auto registry = engine::EngineRegistry::load(data_dir + "/engines");
    if (!registry) {
        checks.push_back({"engine files", Verdict::fail, registry.error().message, {}});
        return;
    }
    for (const engine::EngineSpec& spec : registry->all()) {
        if (!spec.images.empty()) {
            checks.push_back(check_engine(context, spec, machine));
        }
    }
}

std::vector<Check> all_checks(CommandContext& context, const std::string& data_dir) {
    std::vector<Check> checks{check_data_dir(data_dir), check_daemon(context, data_dir)};
    add_failures(context, data_dir, checks);
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
            "gateway port", gateway, "--gateway-listen", running && is_at(running->gateway, gateway)
        ));
        checks.push_back(check_port(
            "control port", control, "--control-listen", running && is_at(running->control, control)
        ));
    }
    checks.push_back(check_engines(context.environment));
    const hardware::HardwareSnapshot machine = detect_here(context);
    checks.push_back(
        check_amount("memory", machine.ram, kRamWanted, "Use a small model, or a cloud.")
    );
    checks.push_back(check_amount(
        "disk", machine.disk_free, kDiskWanted,
        "Free some space, or choose another disk with --data-dir."
    ));
    checks.push_back(check_gpus(context, machine));
    add_container_checks(context, data_dir, machine, checks);
    return checks;
}

}  // namespace

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
        context.terminal.line(json_text(Json{{"ok", !failed}, {"checks", std::move(rows)}}));
    }
    return failed ? ExitCode::precondition : ExitCode::ok;
}

}  // namespace nova::app

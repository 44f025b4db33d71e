// detect, gpu, engines, version: what this machine has.
#include "app/commands_machine.hpp"

#include <chrono>
#include <filesystem>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/commands_blocking.hpp"
#include "app/commands_json.hpp"
#include "app/container_facts.hpp"
#include "app/daemon_options.hpp"
#include "app/machine.hpp"
#include "core/json.hpp"
#include "hardware/hardware_file.hpp"
#include "hardware/hardware_probe.hpp"

namespace nova::app {
namespace {

namespace fs = std::filesystem;

// Without a daemon the command looks itself, and keeps what it saw where a daemon will find it.
hardware::MergedSnapshot look_here(CommandContext& context, hardware::Overwrite overwrite) {
    SystemClock clock;
    const auto data_dir = data_dir_of(context.client, context.environment);
    hardware::ProbeSettings settings;
    std::error_code error;
    if (data_dir && fs::is_directory(*data_dir, error)) {
        settings.weights_folder = *data_dir;
    }
    hardware::HardwareProbe probe{make_command_runner(context.environment), clock, settings};
    auto detection = run_blocking<hardware::Detection>([&probe] { return probe.detect(); });
    hardware::MergedSnapshot seen{.snapshot = std::move(detection.snapshot), .kept = {}};
    if (data_dir && fs::is_directory(*data_dir, error)) {
        const fs::path file = fs::path{*data_dir} / "hardware.json";
        const auto stored = hardware::load_hardware_file(file);
        if (stored && *stored) {
            seen = hardware::merge(**stored, seen.snapshot, overwrite, detection.complete);
        }
        if (const auto saved = hardware::save_hardware_file(file, seen.snapshot); !saved) {
            context.terminal.note("nova: " + saved.error().message);
        }
    }
    return seen;
}

Result<Json> detect(CommandContext& context, const DetectOptions& options) {
    auto client = ControlClient::open(context.client, context.environment);
    if (client) {
        return client->post(options.forget ? "/hardware/detect?forget=1" : "/hardware/detect");
    }
    if (client.error().word == "not_running" && context.client.url.empty()) {
        const auto seen = look_here(
            context,
            options.forget ? hardware::Overwrite::replace : hardware::Overwrite::keep_richer
        );
        Json machine = hardware::to_json(seen.snapshot);
        machine["kept"] = seen.kept;
        return machine;
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
    bool card = false;
    for (const Json& row : array_in(machine, "kept")) {
        const std::string sentence = row.is_string() ? row.get<std::string>() : "";
        card = card || sentence.starts_with("GPU ");
        terminal.note(printable(sentence));
    }
    if (card) {
        terminal.note("What was taken out for good is forgotten by: nova detect --forget");
    }
}

// "12 %", or a dash where the device does not say.
std::string figure_or_dash(const Json& gpu, const char* key, const char* unit) {
    const auto it = gpu.find(key);
    return it != gpu.end() && it->is_number() ? fmt::format("{:.0f} {}", it->get<double>(), unit)
                                              : std::string{"-"};
}

void print_gpu(Terminal& terminal, const Json& gpu) {
    terminal.line(printable(fmt::format(
        "GPU {}  {:<28} {:>6}  {} of {}  {}  {} of {}", count_in(gpu, "index"),
        text_in(gpu, "name", "unknown"), figure_or_dash(gpu, "utilization_pct", "%"),
        bytes_or_dash(gpu, "vram_used_bytes"), bytes_or_dash(gpu, "vram_total_bytes"),
        figure_or_dash(gpu, "temperature_c", "C"), figure_or_dash(gpu, "power_w", "W"),
        figure_or_dash(gpu, "power_limit_w", "W")
    )));
    for (const Json& process : array_in(gpu, "processes")) {
        terminal.line(printable(fmt::format(
            "       {:>8}  {:<28} {}", count_in(process, "pid"),
            text_in(process, "name", "unknown"), bytes_or_dash(process, "vram_used_bytes")
        )));
    }
}

}  // namespace

hardware::HardwareSnapshot detect_here(CommandContext& context) {
    return look_here(context, hardware::Overwrite::keep_richer).snapshot;
}

engine::ContainerFacts containers_here(CommandContext& context, std::string image) {
    SystemClock clock;
    const auto place = container_place(
        config::value_of(context.environment, "DOCKER_HOST").value_or(""), context.environment
    );
    return run_blocking<engine::ContainerFacts>([&] {
        return container_facts(docker_get(clock, place.socket), place, image);
    });
}

ExitCode detect_command(CommandContext& context, const DetectOptions& options) {
    const auto machine = detect(context, options);
    if (!machine) {
        return context.complain(machine.error());
    }
    if (context.client.json) {
        context.terminal.line(json_text(*machine));
    } else {
        print_machine(context.terminal, *machine);
    }
    return ExitCode::ok;
}

ExitCode gpu_command(CommandContext& context) {
    auto client = ControlClient::open(context.client, context.environment);
    const auto stats = client ? client->get("/hardware/gpu-stats") : propagate(client);
    if (!stats) {
        return context.complain(stats.error());
    }
    // Before the first detection there is nothing to be said about trouble.
    const auto machine = client->get("/hardware");
    const Json trouble = machine ? machine->value("gpu_trouble", Json()) : Json();
    if (context.client.json) {
        context.terminal.line(json_text(Json{{"gpus", *stats}, {"trouble", trouble}}));
        return ExitCode::ok;
    }
    for (const Json& gpu : *stats) {
        print_gpu(context.terminal, gpu);
    }
    if (stats->empty()) {
        context.terminal.line("No GPU says anything.");
    }
    if (trouble.is_object()) {
        context.terminal.line(printable("Trouble  " + text_in(trouble, "detail")));
        context.terminal.line(printable("         " + text_in(trouble, "remedy")));
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
        context.terminal.line(json_text(*engines));
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

ExitCode version_command(CommandContext& context) {
    context.terminal.line(
        context.client.json ? json_text(Json{{"version", kVersion}})
                            : fmt::format("nova {}", kVersion)
    );
    return ExitCode::ok;
}

}  // namespace nova::app

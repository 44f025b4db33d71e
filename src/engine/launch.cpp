// Fills an engine's templates with what the wish, the model, the machine and the place say.
#include "engine/launch.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "engine/custom_url.hpp"

namespace nova::engine {
namespace {

using Values = std::map<std::string, std::string>;

struct Bounds {
    std::string_view option;
    std::int64_t least;
    std::int64_t most;
};

// Beyond these a number is a typing mistake; what really fits is the engine's to say.
constexpr Bounds kBounds[] = {
    {"context", 256, 4'194'304},
    {"parallel", 1, 1024},
    {"gpu_layers", 0, 10'000},
    {"threads", 1, 1024},
};

std::optional<std::int64_t> whole_number(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    return code == std::errc{} && end == text.data() + text.size() ? std::optional{value}
                                                                   : std::nullopt;
}

bool is_number(std::string_view text) {
    double value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    return code == std::errc{} && end == text.data() + text.size();
}

// No path, no second flag, nothing a shell or a log would trip over.
bool is_word(std::string_view text) {
    return !text.empty() && text.size() <= 64 && text.front() != '-' &&
           std::ranges::all_of(text, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '.' || c == ',' || c == ':' || c == '+' || c == '-';
           });
}

std::optional<bool> is_on(std::string_view text) {
    if (text == "on" || text == "true" || text == "1") {
        return true;
    }
    if (text == "off" || text == "false" || text == "0") {
        return false;
    }
    return std::nullopt;
}

std::string fill(std::string_view text, const Values& values) {
    std::string out;
    while (!text.empty()) {
        const std::size_t open = text.find('{');
        out += text.substr(0, open);
        if (open == std::string_view::npos) {
            break;
        }
        const std::size_t close = text.find('}', open);
        const auto at = values.find(std::string{text.substr(open + 1, close - open - 1)});
        out += at == values.end() ? std::string{} : at->second;
        text.remove_prefix(close + 1);
    }
    return out;
}

std::string accelerator_of(const hardware::HardwareSnapshot& hardware) {
    for (const auto& gpu : hardware.gpus) {
        if (gpu.vendor == hardware::GpuVendor::nvidia) {
            return "cuda";
        }
    }
    for (const auto& gpu : hardware.gpus) {
        if (gpu.vendor == hardware::GpuVendor::amd) {
            return "rocm";
        }
    }
    return "cpu";
}

// How many like GPUs one model may be spread over: tensor parallelism divides attention heads, so
// only powers of two always work.
unsigned gpu_group(const hardware::HardwareSnapshot& hardware, std::string_view accelerator) {
    if (accelerator == "cpu") {
        return 0;
    }
    const auto vendor =
        accelerator == "cuda" ? hardware::GpuVendor::nvidia : hardware::GpuVendor::amd;
    const auto first = std::ranges::find(hardware.gpus, vendor, &hardware::GpuDevice::vendor);
    const auto like = std::ranges::count_if(hardware.gpus, [&](const auto& gpu) {
        return gpu.vendor == vendor && gpu.name == first->name && gpu.vram == first->vram;
    });
    unsigned group = 1;
    while (group * 2 <= static_cast<unsigned>(like)) {
        group *= 2;
    }
    return group;
}

unsigned threads_of(const hardware::CpuFacts& cpu) {
    const unsigned usable = cpu.usable_cores();
    const unsigned physical = cpu.physical_cores == 0 ? usable : cpu.physical_cores;
    return std::max(1U, usable == 0 ? physical : std::min(physical, usable));
}

// An option is the engine's when a template uses it.
bool takes_option(const EngineSpec& engine, const std::string& option) {
    const std::string placeholder = "{" + option + "}";
    const auto uses = [&](const auto& entry) { return entry.second.contains(placeholder); };
    return engine.option_argv.contains(option) || std::ranges::any_of(engine.env, uses);
}

std::string known_options(const EngineSpec& engine) {
    std::vector<std::string> names;
    for (const Bounds& bound : kBounds) {
        if (takes_option(engine, std::string{bound.option})) {
            names.emplace_back(bound.option);
        }
    }
    if (takes_option(engine, "embeddings")) {
        names.emplace_back("embeddings");
    }
    for (const AllowedFlag& flag : engine.flags) {
        names.push_back("flag." + flag.name);
    }
    return names.empty() ? "It takes none." : fmt::format("It takes: {}.", fmt::join(names, ", "));
}

Error bad_option(std::string message, std::string remedy) {
    return Error{
        .code = ErrorCode::unprocessable,
        .message = std::move(message),
        .word = "invalid_option",
        .remedy = std::move(remedy)
    };
}

Result<void>
check_option(const EngineSpec& engine, const std::string& name, const std::string& value) {
    if (!takes_option(engine, name)) {
        return fail(bad_option(
            fmt::format("{} has no option {}.", engine.title, name), known_options(engine)
        ));
    }
    if (name == "embeddings") {
        if (!is_on(value)) {
            return fail(bad_option("Option embeddings must be on or off.", {}));
        }
        return {};
    }
    if (name == "gpu_layers" && (value == "auto" || value == "all")) {
        return {};
    }
    const auto bound = std::ranges::find(kBounds, std::string_view{name}, &Bounds::option);
    const auto number = whole_number(value);
    if (!number || *number < bound->least || *number > bound->most) {
        return fail(bad_option(
            fmt::format(
                "Option {} must be a whole number from {} to {}.", name, bound->least, bound->most
            ),
            {}
        ));
    }
    return {};
}

Result<void> add_flag(
    const EngineSpec& engine, const std::string& name, const std::string& value,
    std::vector<std::string>& argv
) {
    const auto flag = std::ranges::find(engine.flags, name, &AllowedFlag::name);
    if (flag == engine.flags.end()) {
        return fail(bad_option(
            fmt::format("{} may not be given the flag {}.", engine.title, name),
            known_options(engine)
        ));
    }
    if (flag->kind == "switch") {
        const auto on = is_on(value);
        if (!on) {
            return fail(bad_option(fmt::format("flag.{} must be on or off.", name), {}));
        }
        if (*on) {
            argv.push_back(flag->argv);
        }
        return {};
    }
    const bool fits = flag->kind == "integer"  ? whole_number(value).has_value()
                      : flag->kind == "number" ? is_number(value)
                                               : is_word(value);
    if (!fits) {
        return fail(
            bad_option(fmt::format("flag.{} must be a {}.", name, flag->kind), flag->sentence)
        );
    }
    argv.push_back(flag->argv);
    argv.push_back(value);
    return {};
}

// Options in effect: the engine's defaults under the user's.
Result<Values> options_in_effect(
    const EngineSpec& engine, const BackendSpec& backend, const ResolvedModel& model,
    const Values& facts
) {
    Values options;
    for (const auto& [name, text] : engine.option_defaults) {
        options[name] = fill(text, facts);
    }
    // A default beyond what the model was trained for would only cost memory.
    const auto context = whole_number(options["context"]);
    if (context && model.context_length > 0) {
        const auto trained = static_cast<std::int64_t>(model.context_length);
        options["context"] = fmt::to_string(std::min(*context, trained));
    }
    for (const auto& [name, value] : backend.options) {
        if (name.starts_with("flag.")) {
            continue;
        }
        if (const auto checked = check_option(engine, name, value); !checked) {
            return propagate(checked);
        }
        options[name] = value;
    }
    return options;
}

Result<std::vector<std::string>> build_argv(
    const EngineSpec& engine, const BackendSpec& backend, const Values& options,
    const Values& values
) {
    std::vector<std::string> argv;
    const auto append = [&](const std::vector<std::string>& part) {
        for (const std::string& text : part) {
            argv.push_back(fill(text, values));
        }
    };
    append(engine.argv);
    for (const auto& [name, part] : engine.option_argv) {
        const auto at = options.find(name);
        if (at != options.end() && (name != "embeddings" || is_on(at->second).value_or(false))) {
            append(part);
        }
    }
    if (const auto group = whole_number(values.at("gpu_count")); group && *group > 1) {
        append(engine.multi_gpu_argv);
    }
    for (const auto& [name, value] : backend.options) {
        if (name.starts_with("flag.")) {
            if (const auto added = add_flag(engine, name.substr(5), value, argv); !added) {
                return propagate(added);
            }
        }
    }
    return argv;
}

// The path as the container sees it; adds the mount that makes it visible.
std::string mounted(
    const EngineSpec& engine, const LaunchPlace& place, const std::string& path,
    std::vector<runtime::Mount>& mounts
) {
    mounts.push_back({place.models_folder, engine.container_models});
    if (path.empty() || path.starts_with(place.models_folder + "/")) {
        return path.empty() ? path
                            : engine.container_models + path.substr(place.models_folder.size());
    }
    const std::size_t slash = path.rfind('/');
    mounts.push_back({path.substr(0, slash), engine.container_models + "-local", true});
    return engine.container_models + "-local" + path.substr(slash);
}

Result<runtime::InstanceSpec>
plan_external(const BackendSpec& backend, runtime::InstanceSpec instance) {
    const auto server = custom_server_from(backend);
    if (!server) {
        return propagate(server);
    }
    instance.runtime = runtime::RuntimeKind::external;
    instance.listen = server->endpoint;
    return instance;
}

Result<void> place_program(
    const EngineSpec& engine, const LaunchPlace& place, const std::string& accelerator,
    runtime::InstanceSpec& instance
) {
    if (place.runtime == runtime::RuntimeKind::process) {
        if (engine.programs.empty()) {
            return fail(
                ErrorCode::unsupported,
                fmt::format("{} does not run as a native program.", engine.title)
            );
        }
        instance.program = engine.programs.front();
        instance.argv = engine.program_argv;
        return {};
    }
    const auto image = engine.images.find(accelerator);
    if (image == engine.images.end() && place.image.empty()) {
        return fail(
            ErrorCode::unsupported,
            fmt::format("{} has no image for {} machines.", engine.title, accelerator),
            "Choose another engine, for example llamacpp."
        );
    }
    instance.image = place.image.empty() ? image->second : place.image;
    instance.accelerator = accelerator;
    instance.container.port = engine.container_port;
    instance.argv = engine.container_argv;
    instance.listen = {.host = "127.0.0.1", .port = 0, .tls = false};
    return {};
}

}  // namespace

Result<runtime::InstanceSpec> plan_launch(
    const EngineSpec& engine, const BackendSpec& backend, const ResolvedModel& model,
    const hardware::HardwareSnapshot& hardware, const LaunchPlace& place
) {
    runtime::InstanceSpec instance;
    instance.identity = place.identity;
    instance.runtime = place.runtime;
    instance.name = place.name;
    instance.log_path = place.log_path;
    instance.stop_signal = engine.stop_signal;
    instance.grace = engine.grace;
    if (engine.programs.empty() && engine.images.empty()) {
        return plan_external(backend, std::move(instance));
    }
    const std::string accelerator = accelerator_of(hardware);
    if (const auto placed = place_program(engine, place, accelerator, instance); !placed) {
        return propagate(placed);
    }
    const bool container = place.runtime == runtime::RuntimeKind::docker;
    Values values{
        {"model", model.id.value},
        {"model_path", model.path},
        {"host", container ? "0.0.0.0" : "127.0.0.1"},
        // The driver puts the port it chose; inside a container it is the engine's usual one.
        {"port", container ? fmt::to_string(engine.container_port) : "{port}"},
        {"models_folder", container ? engine.container_models : place.models_folder},
        {"api_key", place.api_key},
        {"physical_cores", fmt::to_string(threads_of(hardware.cpu))},
        {"gpu_count", fmt::to_string(gpu_group(hardware, accelerator))},
    };
    if (container) {
        values["model_path"] = mounted(engine, place, model.path, instance.mounts);
    }
    if (values["model_path"].empty()) {
        values["model_path"] = model.id.value;  // engines that find a model by its public id
    }
    const auto options = options_in_effect(engine, backend, model, values);
    if (!options) {
        return propagate(options);
    }
    values.insert(options->begin(), options->end());
    auto argv = build_argv(engine, backend, *options, values);
    if (!argv) {
        return propagate(argv);
    }
    instance.argv.insert(instance.argv.end(), argv->begin(), argv->end());
    for (const auto& [name, text] : engine.env) {
        instance.env[name] = fill(text, values);
    }
    if (!engine.api_key_env.empty() && !place.api_key.empty()) {
        instance.env[engine.api_key_env] = place.api_key;
        instance.secret_env.push_back(engine.api_key_env);
    }
    return instance;
}

}  // namespace nova::engine

// Fills an engine's templates with what the wish, the model, the machine and the place say.
#include "engine/launch.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "engine/custom_url.hpp"
#include "engine/launch_devices.hpp"

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

std::string lowered(std::string_view text) {
    std::string low{text};
    std::ranges::transform(low, low.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return low;
}

// The family of a model by its name, which a local folder only carries in its path.
const ModelFamily* family_of(const EngineSpec& engine, const ResolvedModel& model) {
    const std::string name = lowered(model.id.value + " " + model.path);
    for (const ModelFamily& family : engine.families) {
        if (std::ranges::any_of(family.match, [&](const std::string& part) {
                return name.contains(part);
            })) {
            return &family;
        }
    }
    return nullptr;
}

// What nova adds by itself; a part whose flag the user sets as well is left to the user.
class Arguments {
public:
    Arguments(const EngineSpec& engine, const BackendSpec& backend, const Values& values)
        : engine_{engine}, backend_{backend}, values_{values} {}

    void add(const std::vector<std::string>& part) {
        for (const std::string& text : part) {
            argv_.push_back(fill(text, values_));
        }
    }

    void add_unless_set(const std::vector<std::string>& part) {
        const bool set = std::ranges::any_of(engine_.flags, [&](const AllowedFlag& flag) {
            return std::ranges::find(part, flag.argv) != part.end() && flag.kind != "switch" &&
                   backend_.options.contains("flag." + flag.name);
        });
        if (!set) {
            add(part);
        }
    }

    void add_parser(const std::vector<std::string>& part, const std::string& parser) {
        if (!parser.empty()) {
            values_["parser"] = parser;
            add_unless_set(part);
        }
    }

    std::vector<std::string>& argv() { return argv_; }

private:
    const EngineSpec& engine_;
    const BackendSpec& backend_;
    Values values_;
    std::vector<std::string> argv_;
};

void add_for_devices(const EngineSpec& engine, const DeviceChoice& devices, Arguments& arguments) {
    if (const auto part = engine.accelerator_argv.find(devices.accelerator);
        part != engine.accelerator_argv.end()) {
        arguments.add(part->second);
    }
    if (devices.accelerator == "cpu") {
        return;
    }
    arguments.add_unless_set(engine.memory_argv);
    if (devices.accelerator == "cuda" && older(devices.compute_capability, "8.0")) {
        arguments.add_unless_set(engine.old_gpu_argv);
    }
    if (devices.count > 1) {
        arguments.add(engine.multi_gpu_argv);
    }
}

Result<std::vector<std::string>> build_argv(
    const EngineSpec& engine, const BackendSpec& backend, const ResolvedModel& model,
    const DeviceChoice& devices, const Values& values
) {
    Arguments arguments{engine, backend, values};
    arguments.add(engine.argv);
    for (const auto& [name, part] : engine.option_argv) {
        const auto at = values.find(name);
        if (at != values.end() && (name != "embeddings" || is_on(at->second).value_or(false))) {
            arguments.add(part);
        }
    }
    add_for_devices(engine, devices, arguments);
    if (const ModelFamily* family = family_of(engine, model)) {
        arguments.add_parser(engine.tool_call_argv, family->tool_calls);
        arguments.add_parser(engine.reasoning_argv, family->reasoning);
    }
    for (const auto& [name, value] : backend.options) {
        if (name.starts_with("flag.")) {
            if (const auto added = add_flag(engine, name.substr(5), value, arguments.argv());
                !added) {
                return propagate(added);
            }
        }
    }
    return std::move(arguments.argv());
}

// The path as the container sees it; adds the mount that makes it visible.
std::string mounted(
    const EngineSpec& engine, const LaunchPlace& place, const std::string& path,
    std::vector<runtime::Mount>& mounts
) {
    mounts.push_back({.host_path = place.models_folder, .container_path = engine.container_models});
    if (path.empty() || path.starts_with(place.models_folder + "/")) {
        return path.empty() ? path
                            : engine.container_models + path.substr(place.models_folder.size());
    }
    const std::size_t slash = path.rfind('/');
    mounts.push_back(
        {.host_path = path.substr(0, slash),
         .container_path = engine.container_models + "-local",
         .read_only = true}
    );
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
    const EngineSpec& engine, const LaunchPlace& place, const DeviceChoice& devices,
    runtime::InstanceSpec& instance
) {
    instance.accelerator = devices.accelerator;
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
    // choose_devices() has looked whether there is one.
    instance.image = place.image.empty() ? engine.images.at(devices.accelerator) : place.image;
    instance.argv = engine.container_argv;
    instance.listen = {.host = "127.0.0.1", .port = 0, .tls = false};
    return {};
}

// What the engine would see beyond the devices it is to use: other cards, the processor's own
// graphics. A container of NVIDIA's is given its devices and nothing else.
void name_devices(const DeviceChoice& devices, bool container, runtime::InstanceSpec& instance) {
    if (devices.ids.empty() || (container && devices.accelerator == "cuda")) {
        return;
    }
    if (devices.accelerator == "cuda") {
        instance.env["CUDA_VISIBLE_DEVICES"] = fmt::format("{}", fmt::join(devices.ids, ","));
    } else {
        instance.env["HIP_VISIBLE_DEVICES"] = fmt::format("{}", fmt::join(devices.indices, ","));
    }
}

void add_environment(
    const EngineSpec& engine, const ResolvedModel& model, const LaunchPlace& place,
    const Values& values, runtime::InstanceSpec& instance
) {
    for (const auto& [name, text] : engine.env) {
        instance.env[name] = fill(text, values);
    }
    if (const auto more = engine.accelerator_env.find(instance.accelerator);
        more != engine.accelerator_env.end()) {
        for (const auto& [name, text] : more->second) {
            instance.env[name] = fill(text, values);
        }
    }
    const auto add_secret = [&](const std::string& name, const std::string& value) {
        if (!name.empty() && !value.empty()) {
            instance.env[name] = value;
            instance.secret_env.push_back(name);
        }
    };
    add_secret(engine.api_key_env, place.api_key);
    // Only what fetches gets it (decisions.md 2.11), and never in argv.
    add_secret(model.path.empty() ? engine.token_env : std::string{}, place.hub_token);
}

void add_container(
    const EngineSpec& engine, const DeviceChoice& devices, runtime::InstanceSpec& instance
) {
    runtime::ContainerNeeds& container = instance.container;
    container.port = engine.container_port;
    container.gpus = devices.accelerator == "cuda" ? devices.ids : std::vector<std::string>{};
    container.shared_memory = engine.container.shared_memory;
    container.locked_memory = engine.container.locked_memory;
    const auto needs = engine.needs.find(devices.accelerator);
    const auto image = engine.images.find(devices.accelerator);
    if (needs != engine.needs.end() && image != engine.images.end() &&
        image->second == instance.image) {
        container.image_size = needs->second.image_size;
    }
    for (const auto& [name, folder] : engine.container.caches) {
        instance.mounts.push_back({.host_path = name, .container_path = folder});
    }
}

bool wants_gpu(const BackendSpec& backend) {
    const auto layers = backend.options.find("gpu_layers");
    return layers == backend.options.end() || layers->second != "0";
}

// A quarter of the RAM for the cache of an engine that computes on the processor.
std::string cache_gib(const hardware::HardwareSnapshot& hardware) {
    constexpr std::uint64_t kMost = 32;
    const std::uint64_t quarter = hardware.ram.value_or(Bytes{}).count / gib(4).count;
    return fmt::to_string(std::clamp<std::uint64_t>(quarter, 1, kMost));
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
    // An image of the user's own is built for this machine, as a native program is.
    const auto built_for = place.image.empty() ? place.runtime : runtime::RuntimeKind::process;
    const auto devices = choose_devices(engine, hardware, wants_gpu(backend), built_for);
    if (!devices) {
        return propagate(devices);
    }
    if (const auto placed = place_program(engine, place, *devices, instance); !placed) {
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
        {"gpu_count", fmt::to_string(devices->count)},
        {"memory_fraction", memory_fraction(engine, *devices, least_free(*devices, place.gpus))},
        {"cache_gib", cache_gib(hardware)},
        // An engine that has to fetch its model may, any other stays off the net.
        {"offline", model.path.empty() ? "0" : "1"},
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
    auto argv = build_argv(engine, backend, model, *devices, values);
    if (!argv) {
        return propagate(argv);
    }
    instance.argv.insert(instance.argv.end(), argv->begin(), argv->end());
    name_devices(*devices, container, instance);
    add_environment(engine, model, place, values, instance);
    if (container) {
        add_container(engine, *devices, instance);
    }
    return instance;
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

bool uses_gpu(
    const EngineSpec& engine, const BackendSpec& backend,
    const hardware::HardwareSnapshot& hardware, runtime::RuntimeKind runtime
) {
    const auto devices = choose_devices(engine, hardware, wants_gpu(backend), runtime);
    return devices && devices->count > 0;
}

}  // namespace nova::engine

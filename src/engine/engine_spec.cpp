// Reads data/engines/*.json, strictly.
#include "engine/engine_spec.hpp"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace nova::engine {
namespace {

// The values a template may name; launch.cpp gives each of them.
constexpr std::array<std::string_view, 16> kPlaceholders{
    "model",          "model_path", "host",    "port",       "models_folder",
    "context",        "parallel",   "threads", "gpu_layers", "api_key",
    "physical_cores", "gpu_count",  "parser",  "offline",    "memory_fraction",
    "cache_gib"
};

constexpr std::array<std::string_view, 3> kAccelerators{"cpu", "cuda", "rocm"};

constexpr std::array<std::string_view, 5> kNeutralOptions{
    "context", "parallel", "gpu_layers", "threads", "embeddings"
};

constexpr std::array<std::string_view, 4> kFlagKinds{"integer", "number", "word", "switch"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& words, std::string_view word) {
    return std::ranges::find(words, word) != words.end();
}

// What may stand in a file.
constexpr std::initializer_list<std::string_view> kKeys{
    "name",
    "title",
    "notes",
    "protocol",
    "programs",
    "installed_by",
    "program_argv",
    "container_argv",
    "argv",
    "multi_gpu_argv",
    "option_argv",
    "option_defaults",
    "env",
    "api_key_env",
    "token_env",
    "images",
    "needs",
    "accelerator_argv",
    "accelerator_env",
    "memory_argv",
    "memory_fraction_most",
    "old_gpu_argv",
    "tool_call_argv",
    "reasoning_argv",
    "families",
    "container",
    "cpu_fallback",
    "container_port",
    "container_models",
    "probe",
    "api_base",
    "start_limit_s",
    "stall_limit_s",
    "stop_signal",
    "grace_s",
    "formats",
    "flags",
    "loading_progress",
    "models_per_instance",
    "serves_embeddings",
    "usage_in_stream_needs_option"
};

// One object of the file: remembers the first mistake, with its path.
class Section {
public:
    Section(const Json& value, std::string path, std::initializer_list<std::string_view> known)
        : path_{std::move(path)}, reader_{value, path_} {
        if (!value.is_object()) {
            return;
        }
        for (const auto& [key, ignored] : value.items()) {
            if (std::ranges::find(known, std::string_view{key}) == known.end()) {
                complain(key, "is not a known key");
            }
        }
    }

    JsonReader& reader() { return reader_; }

    void complain(std::string_view key, std::string_view sentence) {
        if (!error_) {
            error_ = Error{
                .code = ErrorCode::invalid_argument,
                .message = fmt::format("{}.{} {}.", path_, key, sentence)
            };
        }
    }

    const std::optional<Error>& error() const { return error_ ? error_ : reader_.error(); }

    std::vector<std::string> texts(std::string_view key) {
        std::vector<std::string> result;
        if (const Json* list = reader_.array(key)) {
            for (const Json& item : *list) {
                if (!item.is_string()) {
                    complain(key, "must hold strings only");
                    return result;
                }
                result.push_back(item.get<std::string>());
            }
        }
        return result;
    }

    std::vector<std::string> templates(std::string_view key) {
        auto result = texts(key);
        for (const std::string& text : result) {
            check_template(key, text);
        }
        return result;
    }

    std::map<std::string, std::string> text_map(std::string_view key) {
        std::map<std::string, std::string> result;
        if (const Json* object = reader_.object(key)) {
            for (const auto& [name, item] : object->items()) {
                if (!item.is_string()) {
                    complain(fmt::format("{}.{}", key, name), "must be a string");
                    return result;
                }
                result.emplace(name, item.get<std::string>());
            }
        }
        return result;
    }

    void check_template(std::string_view key, std::string_view text) {
        std::size_t at = 0;
        while ((at = text.find('{', at)) != std::string_view::npos) {
            const std::size_t end = text.find('}', at);
            const std::string_view name =
                end == std::string_view::npos ? text.substr(at) : text.substr(at + 1, end - at - 1);
            if (!contains(kPlaceholders, name)) {
                complain(key, fmt::format("names {{{}}}, which nova does not know", name));
                return;
            }
            at = end;
        }
    }

    void check_accelerator(std::string_view key, std::string_view name) {
        if (!contains(kAccelerators, name)) {
            complain(fmt::format("{}.{}", key, name), "must be cpu, cuda or rocm");
        }
    }

    void check_option(std::string_view key, std::string_view name) {
        if (!contains(kNeutralOptions, name)) {
            complain(fmt::format("{}.{}", key, name), "is not a neutral option");
        }
    }

private:
    std::string path_;
    JsonReader reader_;
    std::optional<Error> error_;
};

void read_probe(Section& top, const Json* value, std::string_view file, EngineSpec& spec) {
    if (value == nullptr) {
        top.complain("probe", "is required");
        return;
    }
    Section section{
        *value,
        fmt::format("{}.probe", file),
        {"path", "loading_statuses", "models_path", "counters_path", "counters"}
    };
    spec.probe.path = section.reader().required_text("path");
    spec.probe.models_path = section.reader().required_text("models_path");
    spec.probe.counters_path = section.reader().text("counters_path").value_or("");
    spec.probe.counters = section.texts("counters");
    if (const Json* list = section.reader().array("loading_statuses")) {
        for (const Json& item : *list) {
            if (!item.is_number_integer()) {
                section.complain("loading_statuses", "must hold whole numbers only");
                break;
            }
            spec.probe.loading_statuses.push_back(item.get<int>());
        }
    }
    if (section.error()) {
        top.complain("probe", section.error()->message);
    }
}

void read_flags(Section& top, const Json* list, std::string_view file, EngineSpec& spec) {
    if (list == nullptr) {
        return;
    }
    for (std::size_t i = 0; i < list->size(); ++i) {
        Section section{
            (*list)[i], fmt::format("{}.flags[{}]", file, i), {"name", "argv", "kind", "sentence"}
        };
        AllowedFlag flag{
            .name = section.reader().required_text("name"),
            .argv = section.reader().required_text("argv"),
            .kind = section.reader().required_text("kind"),
            .sentence = section.reader().required_text("sentence"),
        };
        if (!section.error() && !contains(kFlagKinds, flag.kind)) {
            section.complain("kind", "must be integer, number, word or switch");
        }
        if (section.error()) {
            top.complain(fmt::format("flags[{}]", i), section.error()->message);
            return;
        }
        spec.flags.push_back(std::move(flag));
    }
}

void read_option_argv(Section& top, const Json* object, std::string_view file, EngineSpec& spec) {
    if (object == nullptr) {
        return;
    }
    for (const auto& [name, ignored] : object->items()) {
        top.check_option("option_argv", name);
        Section section{
            *object,
            fmt::format("{}.option_argv", file),
            {"context", "parallel", "gpu_layers", "threads", "embeddings"}
        };
        spec.option_argv.emplace(name, section.templates(name));
        if (section.error()) {
            top.complain("option_argv", section.error()->message);
            return;
        }
    }
}

void read_needs(Section& top, const Json* object, std::string_view file, EngineSpec& spec) {
    if (object == nullptr) {
        return;
    }
    for (const auto& [accelerator, value] : object->items()) {
        top.check_accelerator("needs", accelerator);
        Section section{
            value,
            fmt::format("{}.needs.{}", file, accelerator),
            {"cuda", "driver", "compute", "architectures", "cpu_flags", "image_gib"}
        };
        JsonReader& in = section.reader();
        AcceleratorNeeds needs{
            .cuda = in.text("cuda").value_or(""),
            .driver =
                static_cast<unsigned>(std::max<std::int64_t>(in.integer("driver").value_or(0), 0)),
            .compute = in.text("compute").value_or(""),
            .architectures = section.texts("architectures"),
            .cpu_flags = section.texts("cpu_flags"),
            .image_size = gib(static_cast<std::uint64_t>(
                std::max<std::int64_t>(in.integer("image_gib").value_or(0), 0)
            )),
        };
        if (section.error()) {
            top.complain("needs", section.error()->message);
            return;
        }
        spec.needs.emplace(accelerator, std::move(needs));
    }
}

void read_families(Section& top, const Json* list, std::string_view file, EngineSpec& spec) {
    if (list == nullptr) {
        return;
    }
    for (std::size_t i = 0; i < list->size(); ++i) {
        Section section{
            (*list)[i],
            fmt::format("{}.families[{}]", file, i),
            {"match", "tool_calls", "reasoning"}
        };
        ModelFamily family{
            .match = section.texts("match"),
            .tool_calls = section.reader().text("tool_calls").value_or(""),
            .reasoning = section.reader().text("reasoning").value_or(""),
        };
        if (!section.error() && family.match.empty()) {
            section.complain("match", "must name at least one part of a model's name");
        }
        if (section.error()) {
            top.complain(fmt::format("families[{}]", i), section.error()->message);
            return;
        }
        spec.families.push_back(std::move(family));
    }
}

void read_container(Section& top, const Json* object, std::string_view file, EngineSpec& spec) {
    if (object == nullptr) {
        return;
    }
    Section section{
        *object, fmt::format("{}.container", file), {"shared_memory_mib", "locked_memory", "caches"}
    };
    const std::int64_t shared = section.reader().integer("shared_memory_mib").value_or(0);
    spec.container.shared_memory =
        mib(static_cast<std::uint64_t>(std::max<std::int64_t>(shared, 0)));
    spec.container.locked_memory = section.reader().boolean("locked_memory").value_or(false);
    spec.container.caches = section.text_map("caches");
    if (section.error()) {
        top.complain("container", section.error()->message);
    }
}

// Objects with a list of templates, or a map of them, for each accelerator.
void read_by_accelerator(Section& top, std::string_view file, EngineSpec& spec) {
    if (const Json* object = top.reader().object("accelerator_argv")) {
        Section section{*object, fmt::format("{}.accelerator_argv", file), {"cpu", "cuda", "rocm"}};
        for (const auto& [accelerator, ignored] : object->items()) {
            spec.accelerator_argv.emplace(accelerator, section.templates(accelerator));
        }
        if (section.error()) {
            top.complain("accelerator_argv", section.error()->message);
        }
    }
    if (const Json* object = top.reader().object("accelerator_env")) {
        Section section{*object, fmt::format("{}.accelerator_env", file), {"cpu", "cuda", "rocm"}};
        for (const auto& [accelerator, ignored] : object->items()) {
            spec.accelerator_env.emplace(accelerator, section.text_map(accelerator));
            for (const auto& [name, text] : spec.accelerator_env.at(accelerator)) {
                section.check_template(accelerator, text);
            }
        }
        if (section.error()) {
            top.complain("accelerator_env", section.error()->message);
        }
    }
}

void read_devices(Section& top, std::string_view file, EngineSpec& spec) {
    JsonReader& in = top.reader();
    read_needs(top, in.object("needs"), file, spec);
    read_by_accelerator(top, file, spec);
    spec.memory_argv = top.templates("memory_argv");
    spec.memory_fraction_most = in.number("memory_fraction_most").value_or(0.9);
    if (spec.memory_fraction_most <= 0.0 || spec.memory_fraction_most > 1.0) {
        top.complain("memory_fraction_most", "must be above 0 and at most 1");
    }
    spec.old_gpu_argv = top.templates("old_gpu_argv");
    spec.tool_call_argv = top.templates("tool_call_argv");
    spec.reasoning_argv = top.templates("reasoning_argv");
    read_families(top, in.array("families"), file, spec);
    read_container(top, in.object("container"), file, spec);
}

void read_command(Section& top, std::string_view file, EngineSpec& spec) {
    JsonReader& in = top.reader();
    spec.programs = top.texts("programs");
    spec.installed_by = top.texts("installed_by");
    spec.program_argv = top.texts("program_argv");
    spec.container_argv = top.texts("container_argv");
    spec.argv = top.templates("argv");
    spec.multi_gpu_argv = top.templates("multi_gpu_argv");
    read_option_argv(top, in.object("option_argv"), file, spec);
    spec.option_defaults = top.text_map("option_defaults");
    for (const auto& [name, text] : spec.option_defaults) {
        top.check_option("option_defaults", name);
        top.check_template("option_defaults", text);
    }
    spec.env = top.text_map("env");
    for (const auto& [name, text] : spec.env) {
        top.check_template("env", text);
    }
    spec.api_key_env = in.text("api_key_env").value_or("");
    spec.token_env = in.text("token_env").value_or("");
    spec.serves_embeddings = in.boolean("serves_embeddings").value_or(true);
}

}  // namespace

std::string_view word(Protocol protocol) {
    switch (protocol) {
    case Protocol::openai:
        return "openai";
    case Protocol::ollama:
        return "ollama";
    }
    return "";
}

std::string_view word(ModelsPerInstance models) {
    switch (models) {
    case ModelsPerInstance::one:
        return "one";
    case ModelsPerInstance::many:
        return "many";
    }
    return "";
}

void read_limits(JsonReader& in, EngineSpec& spec) {
    spec.start_limit = std::chrono::seconds{in.integer("start_limit_s").value_or(120)};
    spec.stall_limit = std::chrono::seconds{in.integer("stall_limit_s").value_or(0)};
    spec.stop_signal = static_cast<int>(in.integer("stop_signal").value_or(15));
    spec.grace = std::chrono::seconds{in.integer("grace_s").value_or(10)};
}

Result<EngineSpec> engine_spec_from(const Json& value, std::string_view file) {
    Section top{value, std::string{file}, kKeys};
    JsonReader& in = top.reader();
    EngineSpec spec;
    spec.name.value = in.required_text("name");
    spec.title = in.required_text("title");
    ignore(Result<std::vector<std::string>>{top.texts("notes")}, "notes are for readers");

    const std::string protocol = in.required_text("protocol");
    const std::string models = in.required_text("models_per_instance");
    spec.protocol = protocol == "ollama" ? Protocol::ollama : Protocol::openai;
    spec.models = models == "many" ? ModelsPerInstance::many : ModelsPerInstance::one;
    if (protocol != word(spec.protocol)) {
        top.complain("protocol", "must be openai or ollama");
    }
    if (models != word(spec.models)) {
        top.complain("models_per_instance", "must be one or many");
    }
    read_command(top, file, spec);
    spec.images = top.text_map("images");
    read_devices(top, file, spec);
    const std::int64_t port = in.integer("container_port").value_or(0);
    if (port < 0 || port > 65535) {
        top.complain("container_port", "must be 0 to 65535");
    }
    spec.container_port = static_cast<std::uint16_t>(port & 0xffff);
    spec.container_models = in.text("container_models").value_or("");
    read_probe(top, in.object("probe"), file, spec);
    spec.api_base = in.text("api_base").value_or("");
    read_limits(in, spec);
    spec.formats = top.texts("formats");
    read_flags(top, in.array("flags"), file, spec);
    spec.loading_progress = top.texts("loading_progress");
    spec.cpu_fallback = top.texts("cpu_fallback");
    spec.usage_in_stream_needs_option = in.boolean("usage_in_stream_needs_option").value_or(false);
    if (top.error()) {
        return fail(*top.error());
    }
    return spec;
}

}  // namespace nova::engine

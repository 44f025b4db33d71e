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
constexpr std::array<std::string_view, 12> kPlaceholders{"model",    "model_path",     "host",
                                                         "port",     "models_folder",  "context",
                                                         "parallel", "threads",        "gpu_layers",
                                                         "api_key",  "physical_cores", "gpu_count"};

constexpr std::array<std::string_view, 5> kNeutralOptions{
    "context", "parallel", "gpu_layers", "threads", "embeddings"
};

constexpr std::array<std::string_view, 4> kFlagKinds{"integer", "number", "word", "switch"};

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& words, std::string_view word) {
    return std::ranges::find(words, word) != words.end();
}

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

void read_command(Section& top, std::string_view file, EngineSpec& spec) {
    JsonReader& in = top.reader();
    spec.programs = top.texts("programs");
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
    Section top{
        value,
        std::string{file},
        {"name",
         "title",
         "notes",
         "protocol",
         "programs",
         "program_argv",
         "container_argv",
         "argv",
         "multi_gpu_argv",
         "option_argv",
         "option_defaults",
         "env",
         "api_key_env",
         "images",
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
         "usage_in_stream_needs_option"}
    };
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
    spec.usage_in_stream_needs_option = in.boolean("usage_in_stream_needs_option").value_or(false);
    if (top.error()) {
        return fail(*top.error());
    }
    return spec;
}

}  // namespace nova::engine

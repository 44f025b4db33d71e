// Reads the fake engine's knobs and the flags of the engines it stands in for.
#include "knobs.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>
#include <variant>

#include <nlohmann/json.hpp>
#include <sys/auxv.h>
#include <sys/stat.h>

namespace fake {
namespace {

using Member = std::variant<bool Knobs::*, long Knobs::*, double Knobs::*, std::string Knobs::*>;

struct Row {
    const char* name;
    Member member;
};

const Row kRows[] = {
    {"start_delay_ms", &Knobs::start_delay_ms},
    {"load_mb_per_s", &Knobs::load_mb_per_s},
    {"load_bytes", &Knobs::load_bytes},
    {"stall_at_percent", &Knobs::stall_at_percent},
    {"never_listen", &Knobs::never_listen},
    {"refuse_flag", &Knobs::refuse_flag},
    {"start_exit_code", &Knobs::start_exit_code},
    {"log_text", &Knobs::log_text},
    {"exit_code", &Knobs::exit_code},
    {"crash_now", &Knobs::crash_now},
    {"crash_after_tokens", &Knobs::crash_after_tokens},
    {"crash_after_requests", &Knobs::crash_after_requests},
    {"ignore_sigterm", &Knobs::ignore_sigterm},
    {"stop_delay_ms", &Knobs::stop_delay_ms},
    {"hold_mib", &Knobs::hold_mib},
    {"orphan", &Knobs::orphan},
    {"health_hang", &Knobs::health_hang},
    {"health_status", &Knobs::health_status},
    {"health_delay_ms", &Knobs::health_delay_ms},
    {"hang", &Knobs::hang},
    {"no_metrics", &Knobs::no_metrics},
    {"tokens", &Knobs::tokens},
    {"tokens_per_s", &Knobs::tokens_per_s},
    {"chunk_bytes", &Knobs::chunk_bytes},
    {"flood", &Knobs::flood},
    {"ignore_disconnect", &Knobs::ignore_disconnect},
    {"dims", &Knobs::dims},
    {"head_delay_ms", &Knobs::head_delay_ms},
    {"reset", &Knobs::reset},
    {"fault_at_token", &Knobs::fault_at_token},
    {"stream_error", &Knobs::stream_error},
    {"no_done", &Knobs::no_done},
    {"status", &Knobs::status},
    {"retry_after", &Knobs::retry_after},
    {"html", &Knobs::html},
    {"framing", &Knobs::framing},
    {"models", &Knobs::models},
};

const Row* find_row(std::string_view name) {
    const auto* row = std::ranges::find_if(kRows, [&](const Row& r) { return name == r.name; });
    return row == std::end(kRows) ? nullptr : row;
}

void set_from_text(Knobs& knobs, const Row& row, const std::string& text) {
    if (const auto* flag = std::get_if<bool Knobs::*>(&row.member)) {
        knobs.*(*flag) = text != "false" && text != "0";
    } else if (const auto* whole = std::get_if<long Knobs::*>(&row.member)) {
        knobs.*(*whole) = std::strtol(text.c_str(), nullptr, 10);
    } else if (const auto* real = std::get_if<double Knobs::*>(&row.member)) {
        knobs.*(*real) = std::strtod(text.c_str(), nullptr);
    } else {
        knobs.*std::get<std::string Knobs::*>(row.member) = text;
    }
}

// False when a key is unknown or of the wrong type: a misspelt knob must not pass for a set one.
bool set_from_json(Knobs& knobs, const std::string& key, const nlohmann::json& value) {
    const Row* row = find_row(key);
    if (row == nullptr) {
        return false;
    }
    if (const auto* flag = std::get_if<bool Knobs::*>(&row->member); flag && value.is_boolean()) {
        knobs.*(*flag) = value.get<bool>();
    } else if (const auto* n = std::get_if<long Knobs::*>(&row->member); n && value.is_number()) {
        knobs.*(*n) = value.get<long>();
    } else if (const auto* d = std::get_if<double Knobs::*>(&row->member); d && value.is_number()) {
        knobs.*(*d) = value.get<double>();
    } else if (const auto* s = std::get_if<std::string Knobs::*>(&row->member);
               s && value.is_string()) {
        knobs.*(*s) = value.get<std::string>();
    } else {
        return false;
    }
    return true;
}

std::string base_name(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

std::string folder_name(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string surface_by_name(const std::string& program) {
    if (program.starts_with("ollama")) {
        return "ollama";
    }
    if (program.starts_with("vllm")) {
        return "vllm";
    }
    return "llamacpp";
}

int default_port(const std::string& surface) {
    if (surface == "ollama") {
        return 11434;
    }
    if (surface == "vllm") {
        return 8000;
    }
    return surface == "sglang" ? 30000 : 8080;
}

std::string from_environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

// Ollama is told its address by OLLAMA_HOST; both need a key only when the environment names one.
void apply_environment(Launch& launch) {
    if (launch.surface == "ollama") {
        std::string at = from_environment("OLLAMA_HOST");
        if (const auto scheme = at.find("://"); scheme != std::string::npos) {
            at.erase(0, scheme + 3);
        }
        const auto colon = at.rfind(':');
        if (colon != std::string::npos) {
            launch.port = std::atoi(at.c_str() + colon + 1);
            at.resize(colon);
        }
        if (!at.empty()) {
            launch.host = at;
        }
    }
    if (launch.surface == "llamacpp") {
        launch.api_key = from_environment("LLAMA_API_KEY");
    } else if (launch.surface == "vllm") {
        launch.api_key = from_environment("VLLM_API_KEY");
    }
}

bool set_engine_flag(Launch& launch, const std::string& flag, const std::string& value) {
    if (flag == "--surface") {
        launch.surface = value;
    } else if (flag == "--host") {
        launch.host = value;
    } else if (flag == "--port") {
        launch.port = std::atoi(value.c_str());
    } else if (flag == "-m" || flag == "--model" || flag == "--model-path") {
        launch.model = value;
    } else if (flag == "-a" || flag == "--alias" || flag == "--served-model-name") {
        launch.alias = value.substr(0, value.find(','));
    } else if (flag == "-c" || flag == "--ctx-size" || flag == "--max-model-len" ||
               flag == "--context-length") {
        launch.context = std::atol(value.c_str());
    } else if (flag == "-np" || flag == "--parallel" || flag == "--max-num-seqs") {
        launch.parallel = std::atol(value.c_str());
    } else if (flag == "--api-key") {
        launch.api_key = value;
    } else if (flag == "--state") {
        launch.state_file = value;
    } else if (flag == "--bench-chunk-us") {
        launch.bench_chunk_us = std::atol(value.c_str());
    } else {
        return false;
    }
    return true;
}

bool is_value(const std::vector<std::string>& words, std::size_t index) {
    return index < words.size() &&
           (words[index].empty() || words[index][0] != '-' ||
            (words[index].size() > 1 && std::isdigit(static_cast<unsigned char>(words[index][1]))));
}

void parse_words(CommandLine& line, const std::vector<std::string>& words) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::string flag = words[i];
        std::string value;
        bool has_value = false;
        if (const auto equals = flag.find('='); flag.starts_with("--") && equals != flag.npos) {
            value = flag.substr(equals + 1);
            flag.resize(equals);
            has_value = true;
        } else if (is_value(words, i + 1)) {
            value = words[i + 1];
            has_value = true;
        }
        const bool separate = has_value && words[i] == flag;
        std::string knob = flag.starts_with("--") ? flag.substr(2) : "";
        std::ranges::replace(knob, '-', '_');
        if (flag == "--bench") {
            line.launch.bench = true;
        } else if (flag == "--embeddings" || flag == "--embedding" || flag == "--is-embedding") {
            line.launch.embeddings = true;
        } else if (flag == "--version" || flag == "-v") {
            line.action = "version";
        } else if (flag == "--orphan-child") {
            line.action = "orphan";
        } else if (const Row* row = find_row(knob); row != nullptr) {
            const bool is_bool = std::holds_alternative<bool Knobs::*>(row->member);
            set_from_text(line.knobs, *row, is_bool && separate ? "true" : value);
            i += !is_bool && separate ? 1 : 0;
        } else if (has_value && set_engine_flag(line.launch, flag, value)) {
            i += separate ? 1 : 0;
        } else if (flag.starts_with("-")) {
            i += separate ? 1 : 0;  // a flag of a real engine that changes nothing here
        } else if (line.launch.surface == "vllm" && flag != "serve" && line.launch.model.empty()) {
            line.launch.model = flag;
        }
    }
}

}  // namespace

CommandLine parse_command_line(int argc, char** argv) {
    CommandLine line;
    // The path given to exec, links unresolved: a link named llama-server stands in for that engine
    // and finds its state file beside itself.
    const auto* executed = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
    const std::string program = executed != nullptr ? executed : argv[0];
    std::vector<std::string> words(argv + 1, argv + argc);
    line.launch.argv = words;
    line.launch.surface = surface_by_name(base_name(program));
    if (const auto at = std::ranges::find(words, "--surface");
        at != words.end() && std::next(at) != words.end()) {
        line.launch.surface = *std::next(at);
    }
    const bool own_name = base_name(program) == "fake_engine";
    line.launch.port = own_name ? 0 : default_port(line.launch.surface);
    line.launch.state_file = folder_name(program) + "/fake_engine.state.json";
    if (base_name(program) == "llama-fit-params") {
        line.action = "fit";
    }
    apply_environment(line.launch);
    parse_words(line, words);
    const std::string known = " llamacpp vllm sglang ollama ";
    if (!known.contains(" " + line.launch.surface + " ")) {
        line.complaint =
            "--surface is llamacpp, vllm, sglang or ollama, not " + line.launch.surface;
    }
    return line;
}

KnobSource::KnobSource(Knobs base, std::string path)
    : base_(std::move(base)), path_(std::move(path)),
      current_(std::make_shared<const Knobs>(base_)) {}

std::shared_ptr<const Knobs> KnobSource::now() {
    const std::lock_guard lock(mutex_);
    struct stat info{};
    if (::stat(path_.c_str(), &info) != 0) {
        return current_;
    }
    const long long stamp = info.st_mtim.tv_sec * 1'000'000'000LL + info.st_mtim.tv_nsec +
                            static_cast<long long>(info.st_ino) * 7919 + info.st_size;
    if (stamp == stamp_) {
        return current_;
    }
    std::ifstream file(path_);
    std::stringstream text;
    text << file.rdbuf();
    const auto document = nlohmann::json::parse(text.str(), nullptr, false);
    if (!document.is_object()) {
        return current_;
    }
    auto next = std::make_shared<Knobs>(base_);
    for (const auto& [key, value] : document.items()) {
        if (!set_from_json(*next, key, value)) {
            std::fprintf(
                stderr,
                "fake_engine: the state file's knob \"%s\" is unknown or of the "
                "wrong type\n",
                key.c_str()
            );
            std::_Exit(70);
        }
    }
    stamp_ = stamp;
    current_ = std::move(next);
    return current_;
}

}  // namespace fake

// Between the control API's JSON and nova's values.
#include "recovery/dto.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"

namespace nova::recovery {
namespace {

using engine::BackendSpec;
using lifecycle::BackendStatus;

constexpr std::string_view kCustom = "custom";

// Members whose value is unknown are left out: a reader never sees an invented number.
template <class T>
void put_known(Json& object, const char* key, const std::optional<T>& value) {
    if (value) {
        object[key] = *value;
    }
}

void put_text(Json& object, const char* key, const std::string& text) {
    if (!text.empty()) {
        object[key] = text;
    }
}

void put_time(Json& object, const char* key, const std::optional<WallTime>& time) {
    if (time) {
        object[key] = rfc3339(*time);
    }
}

Json error_object(const lifecycle::OperationError& error) {
    Json out{{"code", error.code}, {"detail", error.detail}};
    put_text(out, "remedy", error.remedy);
    put_text(out, "log_excerpt", error.log_excerpt);
    put_text(out, "failure", error.failure);
    put_text(out, "confidence", error.confidence);
    return out;
}

Json phase_object(const lifecycle::OperationPhase& phase) {
    Json out{
        {"id", phase.id},
        {"state", phase.state},
        {"started_at", rfc3339(phase.started_at)},
        {"done", phase.done},
        {"unit", phase.unit.empty() ? Json() : Json(phase.unit)},
    };
    put_time(out, "ended_at", phase.ended_at);
    put_known(out, "total", phase.total);
    put_known(out, "rate", phase.rate_per_s);
    put_known(out, "eta_s", phase.eta_s);
    put_text(out, "detail", phase.detail);
    return out;
}

// The first Nova's shape (reference/original.md 1.1), so that its dashboard keeps working.
Json container_status(const BackendStatus& status) {
    const bool running = status.instance.has_value();
    return Json{
        {"name", status.backend},
        {"container_name", running ? Json(status.instance->name) : Json()},
        {"status", running ? "running" : "not_found"},
        {"health", status.phase == lifecycle::Phase::ready ? "healthy" : "none"},
        {"running", running},
    };
}

Json instance_object(const runtime::InstanceHandle& instance) {
    Json out{
        {"name", instance.name},
        {"runtime", runtime::word(instance.runtime)},
        {"address", instance.endpoint.text()},
        {"generation", instance.identity.generation.value},
    };
    if (instance.pid != 0) {
        out["pid"] = instance.pid;
    }
    put_text(out, "container_id", instance.container_id);
    return out;
}

Result<Json> object_from(std::string_view body, std::span<const std::string_view> known) {
    if (body.empty()) {
        return Json::object();
    }
    auto value = parse_json(body, "The request body");
    if (!value) {
        return propagate(value);
    }
    if (!value->is_object()) {
        return fail(ErrorCode::invalid_argument, "The request body must be a JSON object.");
    }
    for (const auto& item : value->items()) {
        if (std::ranges::find(known, item.key()) == known.end()) {
            return fail(
                ErrorCode::invalid_argument,
                fmt::format("The request body has an unknown key \"{}\".", item.key()),
                fmt::format("Known keys: {}.", fmt::join(known, ", "))
            );
        }
    }
    return value;
}

// Options are words on a command line in the end; numbers and booleans are taken as written.
Result<std::map<std::string, std::string>> options_from(const Json* object) {
    std::map<std::string, std::string> options;
    if (object == nullptr) {
        return options;
    }
    for (const auto& item : object->items()) {
        const Json& value = item.value();
        if (value.is_string()) {
            options[item.key()] = value.get<std::string>();
        } else if (value.is_number() || value.is_boolean()) {
            options[item.key()] = json_text(value);
        } else {
            return fail(
                ErrorCode::invalid_argument,
                fmt::format("options.{} must be a string, a number or a boolean.", item.key())
            );
        }
    }
    return options;
}

bool is_header_name(std::string_view text) {
    constexpr std::string_view kPunctuation = "!#$%&'*+-.^_`|~";  // RFC 9110, 5.6.2
    return !text.empty() && std::ranges::all_of(text, [kPunctuation](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               kPunctuation.find(c) != std::string_view::npos;
    });
}

Result<void> set_auth_header(BackendSpec& spec, const std::string& text) {
    if (text.empty()) {
        return {};
    }
    if (text.find_first_of("\r\n") != std::string::npos) {
        return fail(ErrorCode::unprocessable, "auth_header must not contain a line break.");
    }
    const auto colon = text.find(": ");
    if (colon != std::string::npos && is_header_name(std::string_view{text}.substr(0, colon))) {
        spec.auth_header_name = text.substr(0, colon);
        spec.auth_header_value = Secret{text.substr(colon + 2)};
    } else {
        spec.auth_header_name = "Authorization";
        spec.auth_header_value = Secret{text};
    }
    return {};
}

// decisions.md 2.17: without a model, the last used one of this engine.
const BackendSpec* last_of(const std::string& engine, const BackendStatus& status) {
    if (status.wanted && status.wanted->engine.value == engine) {
        return &*status.wanted;
    }
    if (status.last_good && status.last_good->engine.value == engine) {
        return &*status.last_good;
    }
    return nullptr;
}

// Started again: what is said now counts, all else is as it was.
BackendSpec as_before(const BackendSpec& before, const StartRequest& request) {
    BackendSpec spec = before;
    if (request.runtime != BackendSpec{}.runtime) {
        spec.runtime = request.runtime;
    }
    if (!request.model.empty()) {
        spec.model = ModelId{request.model};
    }
    for (const auto& [name, value] : request.options) {
        spec.options[name] = value;
    }
    return spec;
}

}  // namespace

std::string render_error(const Error& error) {
    Json out{{"detail", error.message}, {"code", error.name()}};
    put_text(out, "remedy", error.remedy);
    return json_text(out);
}

Json backend_json(const BackendStatus& status) {
    Json out{
        {"slot", status.slot.value},
        {"backend", status.backend},
        {"state", lifecycle::word(status.phase)},
        {"phase", lifecycle::name(status.phase)},
        {"model", status.model.empty() ? Json() : Json(status.model)},
        {"active_model", status.active_model.empty() ? Json() : Json(status.active_model)},
        {"since", rfc3339(status.since)},
        {"generation", status.generation.value},
        {"attempts", status.attempts},
        {"container_status", container_status(status)},
    };
    put_time(out, "retry_at", status.retry_at);
    if (status.error) {
        out["error"] = error_object(*status.error);
    }
    if (status.last_failure) {
        out["last_failure"] = error_object(status.last_failure->error);
        out["last_failure"]["at"] = rfc3339(status.last_failure->at);
        out["last_failure"]["target"] = status.last_failure->target;
        out["last_failure"]["rolled_back"] = status.last_failure->rolled_back;
    }
    if (status.operation) {
        out["operation"] = status.operation->value;
        out["switch_progress"] = {{"step", lifecycle::name(status.phase)}, {"detail", status.step}};
    }
    if (status.instance) {
        out["instance"] = instance_object(*status.instance);
    }
    return out;
}

Json engines_json(
    const std::vector<EngineStatus>& engines, const std::vector<BackendStatus>& statuses
) {
    Json rows = Json::array();
    for (const EngineStatus& engine : engines) {
        const bool active = std::ranges::any_of(statuses, [&](const BackendStatus& status) {
            return status.backend == engine.backend && status.instance.has_value();
        });
        Json row{
            {"backend", engine.backend},     {"title", engine.title},
            {"installed", engine.installed}, {"running", active},
            {"can_run", engine.can_run},
        };
        put_text(row, "program", engine.program);
        put_text(row, "why_not", engine.why_not);
        put_text(row, "remedy", engine.remedy);
        rows.push_back(std::move(row));
    }
    return Json{{"backends", std::move(rows)}};
}

Json operation_json(const lifecycle::Operation& operation) {
    Json phases = Json::array();
    for (const lifecycle::OperationPhase& phase : operation.phases) {
        phases.push_back(phase_object(phase));
    }
    Json cancel{{"allowed", operation.cancellable}};
    put_text(cancel, "effect", operation.cancel_effect);
    Json out{
        {"id", operation.id.value},
        {"slot", operation.slot.value},
        {"kind", operation.kind},
        {"target", operation.target},
        {"actor", operation.actor},
        {"state", lifecycle::word(operation.state)},
        {"created_at", rfc3339(operation.created_at)},
        {"generation", operation.generation.value},
        {"phases", std::move(phases)},
        {"cancel", std::move(cancel)},
        {"version", operation.version},
    };
    put_time(out, "finished_at", operation.finished_at);
    if (operation.error) {
        out["error"] = error_object(*operation.error);
    }
    return out;
}

Json accepted_json(const std::string& backend, const lifecycle::Accepted& accepted) {
    return Json{
        {"status", accepted.already ? "unchanged" : "accepted"},
        {"backend", backend},
        {"operation", accepted.operation.value.empty() ? Json() : Json(accepted.operation.value)},
        {"generation", accepted.generation.value},
    };
}

Result<StartRequest> start_request_from(std::string_view body) {
    constexpr std::array<std::string_view, 7> kKnown{"model",   "options",  "url", "auth_header",
                                                     "runtime", "strategy", "slot"};
    const auto value = object_from(body, kKnown);
    if (!value) {
        return propagate(value);
    }
    JsonReader reader{*value, "body"};
    StartRequest request;
    request.model = reader.text("model").value_or("");
    request.url = reader.text("url").value_or("");
    request.auth_header = reader.text("auth_header").value_or("");
    request.runtime = reader.text("runtime").value_or("auto");
    request.slot = reader.text("slot").value_or("");
    const auto strategy = reader.text("strategy");
    auto options = options_from(reader.object("options"));
    if (reader.error()) {
        return fail(*reader.error());
    }
    if (!options) {
        return propagate(options);
    }
    if (request.runtime != "auto" && request.runtime != "external" &&
        !runtime::runtime_kind_from(request.runtime)) {
        return fail(
            ErrorCode::invalid_argument, "body.runtime must be auto, process, docker or external."
        );
    }
    request.strategy = strategy ? lifecycle::strategy_from(*strategy) : std::nullopt;
    if (strategy && !request.strategy) {
        return fail(
            ErrorCode::invalid_argument, "body.strategy must be auto, drain or blue-green."
        );
    }
    request.options = std::move(*options);
    return request;
}

Result<SwitchRequest> switch_model_from(std::string_view body) {
    constexpr std::array<std::string_view, 2> kKnown{"model", "slot"};
    const auto value = object_from(body, kKnown);
    if (!value) {
        return propagate(value);
    }
    JsonReader reader{*value, "body"};
    SwitchRequest request{
        .model = reader.required_text("model"), .slot = reader.text("slot").value_or("")
    };
    if (reader.error()) {
        return fail(*reader.error());
    }
    return request;
}

Result<std::string> stop_request_from(std::string_view body) {
    constexpr std::array<std::string_view, 1> kKnown{"slot"};
    const auto value = object_from(body, kKnown);
    if (!value) {
        return propagate(value);
    }
    JsonReader reader{*value, "body"};
    std::string slot = reader.text("slot").value_or("");
    if (reader.error()) {
        return fail(*reader.error());
    }
    return slot;
}

Result<BackendSpec>
wish_from(const std::string& engine, const StartRequest& request, const BackendStatus& last) {
    BackendSpec spec;
    spec.engine = EngineName{engine};
    spec.runtime = request.runtime;
    spec.model = ModelId{request.model};
    spec.options = request.options;
    spec.url = request.url;
    const BackendSpec* before = last_of(engine, last);
    if (engine == kCustom) {
        const bool again = spec.url.empty() && before != nullptr;
        if (again) {
            spec = as_before(*before, request);
        }
        if (spec.url.empty()) {
            return fail(
                ErrorCode::unprocessable, "A custom backend needs the URL of its API.",
                "Give it, for example: nova start custom --url http://127.0.0.1:8000/v1"
            );
        }
        const auto set = set_auth_header(spec, request.auth_header);
        return set ? Result<BackendSpec>{std::move(spec)} : propagate(set);
    }
    if (!spec.url.empty() || !request.auth_header.empty()) {
        return fail(
            ErrorCode::unprocessable,
            fmt::format("url and auth_header belong to custom, not to {}.", engine),
            "Leave them out, or start custom."
        );
    }
    if (spec.model.value.empty() && before != nullptr) {
        spec = as_before(*before, request);
    }
    if (spec.model.value.empty()) {
        return fail(
            ErrorCode::unprocessable,
            fmt::format("{} has not run before, so nova cannot know which model.", engine),
            "Name one: a path to a GGUF file, hf.co/org/repo:QUANT, or the engine's own name."
        );
    }
    return spec;
}

}  // namespace nova::recovery

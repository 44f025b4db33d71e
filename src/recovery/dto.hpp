// The control API's JSON, by hand: what api/openapi.yaml says, and nothing that it does not.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/json.hpp"
#include "engine/backend_spec.hpp"
#include "lifecycle/backend_control.hpp"
#include "lifecycle/operation.hpp"

namespace nova::recovery {

// One row of GET /inference/backends; app finds it out.
struct EngineStatus {
    std::string backend;  // engine word
    std::string title;
    bool installed = false;
    std::string program;  // where it was found; empty when it was not
    bool can_run = false;
    std::string why_not;  // one sentence; empty when it can run
    std::string remedy;   // what would make it run
};

// Body of an error answer: {"detail", "code", "remedy"?}. An net::ErrorRenderer.
std::string render_error(const Error& error);

Json backend_json(const lifecycle::BackendStatus& status);
// statuses: one per slot.
Json engines_json(
    const std::vector<EngineStatus>& engines, const std::vector<lifecycle::BackendStatus>& statuses
);
Json operation_json(const lifecycle::Operation& operation);
Json accepted_json(const std::string& backend, const lifecycle::Accepted& accepted);

// Body of POST …/start. Members that were not given are empty.
struct StartRequest {
    std::string model;
    std::map<std::string, std::string> options;
    std::string url;
    std::string auth_header;  // "VALUE" for Authorization, or "Name: VALUE"
    std::string runtime = "auto";
    std::optional<lifecycle::Strategy> strategy{};  // empty: the setting's
    std::string slot;
};

// An empty body is an empty request. Errors: invalid_argument, naming the key.
Result<StartRequest> start_request_from(std::string_view body);

struct SwitchRequest {
    std::string model;
    std::string slot;
};

// Body of POST …/switch-model. Error: invalid_argument.
Result<SwitchRequest> switch_model_from(std::string_view body);
// Body of POST …/stop: the slot, or empty. Error: invalid_argument.
Result<std::string> stop_request_from(std::string_view body);

// What was asked for as a wish. last: what was wanted or ran before, of whatever engine; gives the
// model when the request names none. Error: unprocessable, saying what is missing.
Result<engine::BackendSpec> wish_from(
    const std::string& engine, const StartRequest& request, const lifecycle::BackendStatus& last
);

}  // namespace nova::recovery

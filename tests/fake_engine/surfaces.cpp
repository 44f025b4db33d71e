// Routes a request to what the played engine answers: health, models, slots, errors, and the
// fake's own /__fake/stats and /echo.
#include <csignal>
#include <cstdlib>
#include <ctime>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "engine.hpp"

namespace fake {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

json stats_document(Engine& engine) {
    Stats& s = engine.stats();
    const char* instance = std::getenv("NOVA_INSTANCE");
    return {
        {"connections_open", s.connections_open - 1},  // without the one that asks
        {"connections_total", s.connections_total.load()},
        {"requests_total", s.requests_total.load()},
        {"generations_total", s.generations_total.load()},
        {"active_generations", s.generations_active.load()},
        {"generations_peak", s.generations_peak.load()},
        {"tokens_total", s.tokens_total.load()},
        {"tokens_after_disconnect", s.tokens_after_disconnect.load()},
        {"disconnects_seen", s.disconnects_seen.load()},
        {"probes_total", s.probes_total.load()},
        {"body_bytes_total", s.body_bytes_total.load()},
        {"pid", ::getpid()},
        {"instance", instance == nullptr ? "" : instance},
        {"argv", engine.launch().argv},
        {"seconds_up", engine.seconds_up()},
    };
}

json model_entry(Engine& engine, const std::string& id) {
    const Launch& launch = engine.launch();
    json entry{{"id", id}, {"object", "model"}, {"created", 1700000000}};
    if (launch.surface == "llamacpp") {
        entry["owned_by"] = "llamacpp";
        entry["meta"] = {
            {"vocab_type", 2},
            {"n_vocab", 49152},
            {"n_ctx", launch.context / std::max(1L, launch.parallel)},
            {"n_ctx_train", 8192},
            {"n_embd", 576},
            {"n_params", 134515008},
            {"size", 96576768},
            {"ftype", "Q4_1"}
        };
    } else if (launch.surface == "ollama") {
        entry["owned_by"] = "library";
    } else {
        entry["owned_by"] = launch.surface;
        entry["root"] = launch.model;
        entry["parent"] = nullptr;
        entry["max_model_len"] = launch.context;
    }
    return entry;
}

void respond_models(Engine& engine, Connection& connection) {
    json list{{"object", "list"}, {"data", json::array()}};
    for (const auto& id : engine.models()) {
        list["data"].push_back(model_entry(engine, id));
    }
    respond_json(connection, 200, list);
}

void respond_slots(Engine& engine, Connection& connection) {
    const Launch& launch = engine.launch();
    json slots = json::array();
    for (long id = 0; id < launch.parallel; ++id) {
        slots.push_back(
            {{"id", id},
             {"n_ctx", launch.context / launch.parallel},
             {"speculative", false},
             {"is_processing", id < engine.stats().generations_active}}
        );
    }
    respond_json(connection, 200, slots);
}

void respond_props(Engine& engine, Connection& connection) {
    const Launch& launch = engine.launch();
    respond_json(
        connection, 200,
        {{"default_generation_settings", {{"n_ctx", launch.context / std::max(1L, launch.parallel)}}
         },
         {"total_slots", launch.parallel},
         {"model_alias", launch.alias},
         {"model_path", launch.model},
         {"modalities", {{"vision", false}}},
         {"build_info", "b11434-fake"},
         {"is_sleeping", false}}
    );
}

void respond_health(Engine& engine, Connection& connection) {
    ++engine.stats().probes_total;
    const auto knobs = engine.knobs();
    connection.wait(milliseconds(knobs->health_delay_ms));
    while (engine.knobs()->health_hang) {
        if (!connection.wait(milliseconds(50))) {
            return;
        }
    }
    const auto now = engine.knobs();
    if (now->health_status != 0) {
        respond_error(
            engine, connection, static_cast<int>(now->health_status), "unavailable_error",
            "unhealthy"
        );
    } else if (engine.launch().surface == "llamacpp") {
        respond_json(connection, 200, {{"status", "ok"}});
    } else {
        connection.respond(200, "text/plain", "");
    }
}

bool key_is_wanted(const Launch& launch, const std::string& path) {
    if (launch.surface == "llamacpp") {
        return path != "/health" && path != "/v1/health" && path != "/v1/models" &&
               path != "/models" && path != "/";
    }
    if (launch.surface == "vllm") {
        return path.starts_with("/v1");
    }
    return !path.starts_with("/health") && !path.starts_with("/metrics");
}

bool refuses_key(Engine& engine, Connection& connection, const Request& request) {
    const Launch& launch = engine.launch();
    if (launch.api_key.empty() || !key_is_wanted(launch, request.path)) {
        return false;
    }
    const auto bearer = request.headers.find("authorization");
    const auto key = request.headers.find("x-api-key");
    const bool good =
        (bearer != request.headers.end() && bearer->second == "Bearer " + launch.api_key) ||
        (launch.surface == "llamacpp" && key != request.headers.end() &&
         key->second == launch.api_key);
    if (good) {
        return false;
    }
    if (launch.surface == "llamacpp") {
        respond_error(engine, connection, 401, "authentication_error", "Invalid API Key");
    } else {
        respond_json(connection, 401, {{"error", "Unauthorized"}});
    }
    return true;
}

void respond_echo(Connection& connection, const Request& request) {
    json headers = json::object();
    for (const auto& [name, value] : request.headers) {
        if (!value.empty()) {
            headers[name] = value;
        }
    }
    respond_json(
        connection, 200,
        {{"sha256", request.body_sha256},
         {"size", request.body.size()},
         {"method", request.method},
         {"path", request.path},
         {"query", request.query},
         {"headers", headers}}
    );
}

bool serve_fakes_own(Engine& engine, Connection& connection, const Request& request) {
    if (request.path == "/__fake/stats") {
        respond_json(connection, 200, stats_document(engine));
    } else if (request.path == "/__fake/last") {
        connection.respond(200, "application/json", engine.last_request());
    } else if (request.path == "/echo" || request.path == "/v1/echo") {
        respond_echo(connection, request);
    } else {
        return false;
    }
    return true;
}

bool serve_openai(Engine& engine, Connection& connection, const Request& request) {
    const std::string& path = request.path;
    if (path == "/v1/chat/completions" || path == "/chat/completions") {
        generate(engine, connection, request, Dialect::openai_chat);
    } else if (path == "/v1/completions" || path == "/completions") {
        generate(engine, connection, request, Dialect::openai_completion);
    } else if (path == "/v1/embeddings") {
        embed(engine, connection, request);
    } else if (path == "/v1/models" || path == "/models") {
        respond_models(engine, connection);
    } else if (path.starts_with("/v1/models/") && engine.knows_model(path.substr(11))) {
        respond_json(connection, 200, model_entry(engine, path.substr(11)));
    } else {
        return false;
    }
    return true;
}

// The counters nova reads as evidence of work, in the words of the engine that is played.
void respond_metrics(Engine& engine, Connection& connection) {
    const std::string tokens = std::to_string(engine.stats().tokens_total);
    const bool llama = engine.launch().surface == "llamacpp";
    connection.respond(
        200, "text/plain; version=0.0.4",
        llama ? "llamacpp:tokens_predicted_total " + tokens + "\n"
              : engine.launch().surface + ":generation_tokens_total{model_name=\"m\"} " + tokens +
                    ".0\n"
    );
}

bool serve_llamacpp(Engine& engine, Connection& connection, const Request& request) {
    if (request.path == "/slots") {
        respond_slots(engine, connection);
    } else if (request.path == "/props") {
        respond_props(engine, connection);
    } else {
        return false;
    }
    return true;
}

bool serve_python(Engine& engine, Connection& connection, const Request& request) {
    const std::string& surface = engine.launch().surface;
    if (request.path == "/ping") {
        connection.respond(200, "text/plain", "");
    } else if (surface == "vllm" && request.path == "/version") {
        respond_json(connection, 200, {{"version", "0.8.5"}});
    } else if (surface == "sglang" && request.path == "/") {
        connection.respond(200, "text/plain", "SGLang is running");
    } else if (surface == "sglang" && request.path == "/model_info") {
        respond_json(
            connection, 200, {{"model_path", engine.launch().model}, {"is_generation", true}}
        );
    } else {
        return false;
    }
    return true;
}

// Everything an engine of that surface answers; false: it has no such route.
bool serve_surface(Engine& engine, Connection& connection, const Request& request) {
    const std::string& surface = engine.launch().surface;
    const bool health = request.path == "/health" || request.path == "/v1/health" ||
                        request.path == "/health_generate";
    if (surface != "ollama" && health) {
        respond_health(engine, connection);
        return true;
    }
    if (surface != "ollama" && request.path == "/metrics" && !engine.knobs()->no_metrics) {
        respond_metrics(engine, connection);
        return true;
    }
    if (surface == "ollama" && serve_ollama(engine, connection, request)) {
        return true;
    }
    if (surface == "llamacpp" && serve_llamacpp(engine, connection, request)) {
        return true;
    }
    if ((surface == "vllm" || surface == "sglang") && serve_python(engine, connection, request)) {
        return true;
    }
    return serve_openai(engine, connection, request);
}

void serve_request(Engine& engine, Connection& connection, const Request& request) {
    if (serve_fakes_own(engine, connection, request)) {
        return;
    }
    while (engine.knobs()->hang) {
        if (!connection.wait(milliseconds(50))) {
            return;
        }
    }
    if (engine.launch().surface == "llamacpp" && engine.phase() != Phase::ready) {
        respond_error(engine, connection, 503, "unavailable_error", "Loading model");
        return;
    }
    if (refuses_key(engine, connection, request)) {
        return;
    }
    if (!serve_surface(engine, connection, request)) {
        respond_error(engine, connection, 404, "not_found_error", "File Not Found");
    }
}

}  // namespace

void respond_json(Connection& connection, int status, const json& body) {
    connection.respond(status, "application/json; charset=utf-8", body.dump());
}

void respond_error(
    Engine& engine, Connection& connection, int status, std::string_view type,
    std::string_view message
) {
    const std::string& surface = engine.launch().surface;
    json body;
    if (surface == "ollama") {
        body = {{"error", message}};
    } else if (surface == "sglang") {
        body = {
            {"object", "error"},
            {"message", message},
            {"type", type},
            {"param", nullptr},
            {"code", status}
        };
    } else {
        body["error"] = {{"message", message}, {"type", type}, {"code", status}};
        if (surface == "vllm") {
            body["error"]["param"] = nullptr;
        }
    }
    respond_json(connection, status, body);
}

void Engine::remember(const Request& request) {
    json headers = request.headers;
    json document{{"method", request.method},    {"path", request.path},
                  {"query", request.query},      {"headers", headers},
                  {"size", request.body.size()}, {"sha256", request.body_sha256}};
    if (request.body.size() <= 65536) {
        document["body"] = request.body;
    }
    std::string text = document.dump(-1, ' ', false, json::error_handler_t::replace);
    const std::lock_guard lock(mutex_);
    last_request_ = std::move(text);
}

std::string Engine::last_request() {
    const std::lock_guard lock(mutex_);
    return last_request_.empty() ? "{}" : last_request_;
}

void serve_connection(Engine& engine, int fd) {
    Stats& stats = engine.stats();
    ++stats.connections_open;
    ++stats.connections_total;
    {
        Connection connection(fd);
        Request request;
        while (connection.read_request(request)) {
            if (!request.path.starts_with("/__fake/")) {
                ++stats.requests_total;
                stats.body_bytes_total += static_cast<long>(request.body.size());
                if (request.method == "POST") {
                    engine.remember(request);
                }
            }
            serve_request(engine, connection, request);
            if (!connection.keep_alive() || connection.peer_gone()) {
                break;
            }
        }
    }
    --stats.connections_open;
}

}  // namespace fake

// Ollama's own routes: version, models, create from an uploaded blob, chat, generate, embed.
#include <nlohmann/json.hpp>

#include "engine.hpp"

namespace fake {
namespace {

using nlohmann::json;

json model_of(const std::string& name) {
    const std::string tagged = name.contains(':') ? name : name + ":latest";
    return {
        {"name", tagged},
        {"model", tagged},
        {"modified_at", "2023-11-14T22:13:20Z"},
        {"size", 98362432},
        {"digest", sha256_hex(tagged)},
        {"details",
         {{"parent_model", ""},
          {"format", "gguf"},
          {"family", "llama"},
          {"families", {"llama"}},
          {"parameter_size", "134.52M"},
          {"quantization_level", "Q4_1"}}},
        {"capabilities", {"completion", "tools"}}
    };
}

void respond_tags(Engine& engine, Connection& connection) {
    json list{{"models", json::array()}};
    for (const auto& name : engine.models()) {
        list["models"].push_back(model_of(name));
    }
    respond_json(connection, 200, list);
}

// Only what has generated something is loaded, as in the real one.
void respond_ps(Engine& engine, Connection& connection) {
    json list{{"models", json::array()}};
    if (engine.stats().tokens_total > 0 && !engine.models().empty()) {
        json model = model_of(engine.models().front());
        model["expires_at"] = "2099-01-01T00:00:00Z";
        model["size_vram"] = 0;
        model["context_length"] = engine.launch().context;
        list["models"].push_back(model);
    }
    respond_json(connection, 200, list);
}

void respond_show(Engine& engine, Connection& connection, const json& body) {
    const std::string name = body.value("model", body.value("name", ""));
    if (!engine.knows_model(name)) {
        respond_error(engine, connection, 404, "", "model '" + name + "' not found");
        return;
    }
    json model = model_of(name);
    model["modelfile"] = "FROM fake";
    model["template"] = "{{ .Prompt }}";
    model["model_info"] = {
        {"general.architecture", "llama"},
        {"llama.context_length", 8192},
        {"llama.block_count", 30},
        {"llama.embedding_length", 576}
    };
    respond_json(connection, 200, model);
}

void respond_create(Engine& engine, Connection& connection, const json& body) {
    const std::string name = body.value("model", body.value("name", ""));
    if (name.empty() || !body.contains("files")) {
        respond_error(engine, connection, 400, "", "neither 'from' or 'files' was specified");
        return;
    }
    engine.add_model(name);
    if (!body.value("stream", true)) {
        respond_json(connection, 200, {{"status", "success"}});
        return;
    }
    connection.begin_stream("application/x-ndjson", true);
    for (const auto* status : {"parsing GGUF", "writing manifest", "success"}) {
        connection.stream(json{{"status", status}}.dump() + "\n");
    }
    connection.end_stream();
}

void respond_blob(Engine& engine, Connection& connection, const Request& request) {
    const std::string digest = request.path.substr(std::string_view("/api/blobs/").size());
    if (request.method == "HEAD") {
        connection.write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    } else if (digest != "sha256:" + request.body_sha256) {
        respond_error(engine, connection, 400, "", "digest mismatch");
    } else {
        connection.write("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    }
}

}  // namespace

bool serve_ollama(Engine& engine, Connection& connection, const Request& request) {
    const std::string& path = request.path;
    const json parsed = json::parse(request.body, nullptr, false);
    const json body = parsed.is_object() ? parsed : json::object();
    if (path == "/") {
        ++engine.stats().probes_total;
        connection.respond(200, "text/plain; charset=utf-8", "Ollama is running");
    } else if (path == "/api/version") {
        ++engine.stats().probes_total;
        const auto now = engine.knobs();
        if (now->health_status != 0) {
            respond_error(
                engine, connection, static_cast<int>(now->health_status), "", "unhealthy"
            );
        } else {
            respond_json(connection, 200, {{"version", "0.17.4"}});
        }
    } else if (path == "/api/tags") {
        respond_tags(engine, connection);
    } else if (path == "/api/ps") {
        respond_ps(engine, connection);
    } else if (path == "/api/show") {
        respond_show(engine, connection, body);
    } else if (path == "/api/create") {
        respond_create(engine, connection, body);
    } else if (path.starts_with("/api/blobs/")) {
        respond_blob(engine, connection, request);
    } else if (path == "/api/chat") {
        generate(engine, connection, request, Dialect::ollama_chat);
    } else if (path == "/api/generate") {
        generate(engine, connection, request, Dialect::ollama_generate);
    } else if (path == "/api/embed") {
        embed_ollama(engine, connection, request);
    } else {
        return false;
    }
    return true;
}

}  // namespace fake

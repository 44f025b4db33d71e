// Makes the tokens: unary and streamed answers in OpenAI's and Ollama's words, with every fault.
#include <algorithm>
#include <array>
#include <cmath>

#include <nlohmann/json.hpp>
#include <openssl/evp.h>

#include "engine.hpp"

namespace fake {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

constexpr long kCreated = 1700000000;  // fixed, so that two answers have the same bytes
constexpr auto kCreatedAt = "2023-11-14T22:13:20Z";
constexpr long kFloodChunk = 4096;

bool is_ollama(Dialect dialect) {
    return dialect == Dialect::ollama_chat || dialect == Dialect::ollama_generate;
}

struct Job {
    Dialect dialect;
    std::string model;
    bool stream = false;
    bool include_usage = false;
    long prompt_tokens = 1;
    long tokens = 16;
    bool stopped_by_length = false;
    json tool;  // null, or the function to call
};

std::string token_text(long index, long bytes) {
    std::string text = "t" + std::to_string(index) + " ";
    if (static_cast<long>(text.size()) < bytes) {
        text.insert(text.size() - 1, static_cast<std::size_t>(bytes) - text.size(), 'x');
    }
    return text;
}

json openai_frame(const Job& job, const char* object) {
    return {
        {"id", "chatcmpl-fake"},
        {"object", object},
        {"created", kCreated},
        {"model", job.model},
        {"system_fingerprint", "fake"}
    };
}

json usage_of(const Job& job, long made) {
    return {
        {"completion_tokens", made},
        {"prompt_tokens", job.prompt_tokens},
        {"total_tokens", job.prompt_tokens + made}
    };
}

json timings_of(const Job& job, long made) {
    return {
        {"cache_n", 0},
        {"prompt_n", job.prompt_tokens},
        {"prompt_ms", 1.0},
        {"predicted_n", made},
        {"predicted_ms", static_cast<double>(made)}
    };
}

json tool_calls_of(const Job& job) {
    return json::array(
        {{{"index", 0},
          {"id", "call_fake0001"},
          {"type", "function"},
          {"function", {{"name", job.tool}, {"arguments", "{}"}}}}}
    );
}

std::string sse(const json& event) {
    return "data: " + event.dump() + "\n\n";
}

json ollama_line(const Job& job, const std::string& text, bool done) {
    json line{{"model", job.model}, {"created_at", kCreatedAt}, {"done", done}};
    if (job.dialect == Dialect::ollama_chat) {
        line["message"] = {{"role", "assistant"}, {"content", text}};
    } else {
        line["response"] = text;
    }
    return line;
}

std::string token_event(const Job& job, const std::string& text) {
    if (is_ollama(job.dialect)) {
        return ollama_line(job, text, false).dump() + "\n";
    }
    const bool chat = job.dialect == Dialect::openai_chat;
    json event = openai_frame(job, chat ? "chat.completion.chunk" : "text_completion");
    json choice{{"index", 0}, {"finish_reason", nullptr}};
    if (chat) {
        choice["delta"] = {{"content", text}};
    } else {
        choice["text"] = text;
    }
    event["choices"] = json::array({choice});
    return sse(event);
}

const char* finish_reason(const Job& job) {
    if (!job.tool.is_null()) {
        return "tool_calls";
    }
    return job.stopped_by_length ? "length" : "stop";
}

void close_ollama(json& line, const Job& job, long made) {
    line["done_reason"] = job.stopped_by_length ? "length" : "stop";
    line["total_duration"] = 1'000'000 * made;
    line["load_duration"] = 1;
    line["prompt_eval_count"] = job.prompt_tokens;
    line["prompt_eval_duration"] = 1000;
    line["eval_count"] = made;
    line["eval_duration"] = 1'000'000 * std::max(1L, made);
}

std::string opening_events(const Job& job) {
    if (job.dialect != Dialect::openai_chat) {
        return "";
    }
    json event = openai_frame(job, "chat.completion.chunk");
    json delta{{"role", "assistant"}, {"content", nullptr}};
    if (!job.tool.is_null()) {
        delta["tool_calls"] = tool_calls_of(job);
    }
    event["choices"] = json::array({{{"index", 0}, {"finish_reason", nullptr}, {"delta", delta}}});
    return sse(event);
}

std::string closing_events(const Engine& engine, const Job& job, long made, bool with_done) {
    if (is_ollama(job.dialect)) {
        json line = ollama_line(job, "", true);
        close_ollama(line, job, made);
        return with_done ? line.dump() + "\n" : "";
    }
    const bool chat = job.dialect == Dialect::openai_chat;
    json event = openai_frame(job, chat ? "chat.completion.chunk" : "text_completion");
    json choice{{"index", 0}, {"finish_reason", finish_reason(job)}};
    choice[chat ? "delta" : "text"] = chat ? json::object() : json("");
    event["choices"] = json::array({choice});
    const bool llamacpp = engine.launch().surface == "llamacpp";
    if (llamacpp && !job.include_usage) {
        event["timings"] = timings_of(job, made);
    }
    std::string text = sse(event);
    if (job.include_usage) {
        event["choices"] = json::array();
        event["usage"] = usage_of(job, made);
        if (llamacpp) {
            event["timings"] = timings_of(job, made);
        }
        text += sse(event);
    }
    return with_done ? text + "data: [DONE]\n\n" : text;
}

json unary_document(const Engine& engine, const Job& job, const std::string& text, long made) {
    if (is_ollama(job.dialect)) {
        json line = ollama_line(job, text, true);
        close_ollama(line, job, made);
        return line;
    }
    const bool chat = job.dialect == Dialect::openai_chat;
    json document = openai_frame(job, chat ? "chat.completion" : "text_completion");
    json choice{{"index", 0}, {"finish_reason", finish_reason(job)}};
    if (chat) {
        choice["message"] = {{"role", "assistant"}, {"content", text}};
        if (!job.tool.is_null()) {
            choice["message"]["content"] = nullptr;
            choice["message"]["tool_calls"] = tool_calls_of(job);
        }
    } else {
        choice["text"] = text;
    }
    document["choices"] = json::array({choice});
    document["usage"] = usage_of(job, made);
    if (engine.launch().surface == "llamacpp") {
        document["timings"] = timings_of(job, made);
    }
    return document;
}

// One token's time; false when the client left and the engine cares.
bool next_token(Engine& engine, Connection& connection, const Knobs& knobs, bool& gone) {
    const auto pause = knobs.tokens_per_s > 0
                           ? std::chrono::nanoseconds(static_cast<long>(1e9 / knobs.tokens_per_s))
                           : std::chrono::nanoseconds(0);
    if (!gone && !connection.wait(pause)) {
        gone = true;
        ++engine.stats().disconnects_seen;
    }
    if (gone && !knobs.ignore_disconnect) {
        return false;
    }
    engine.count_token(gone);
    return true;
}

// What strikes before any byte of the answer; true when it did.
bool strikes_before_head(Engine& engine, Connection& connection, const Knobs& knobs) {
    if (knobs.head_delay_ms > 0 && !connection.wait(milliseconds(knobs.head_delay_ms))) {
        ++engine.stats().disconnects_seen;
        connection.cut();
        return true;
    }
    if (knobs.reset == "before_head") {
        connection.reset();
        return true;
    }
    if (!knobs.retry_after.empty()) {
        connection.add_header("Retry-After", knobs.retry_after);
    }
    const int status = static_cast<int>(knobs.status);
    if (knobs.html) {
        connection.respond(
            status == 0 ? 200 : status, "text/html",
            "<html><head><title>Bad Gateway</title></head><body>nginx</body></html>"
        );
        return true;
    }
    if (status != 0) {
        respond_error(engine, connection, status, "server_error", "planned failure");
        return true;
    }
    return false;
}

// The fault of this token, if it is the one; true when the stream is over by it.
bool strikes_in_stream(Connection& connection, const Knobs& knobs, const Job& job, long made) {
    if (made != knobs.fault_at_token) {
        return false;
    }
    if (knobs.stream_error) {
        const json error{
            {"message", "planned failure in the stream"}, {"type", "server_error"}, {"code", 500}
        };
        connection.stream(
            is_ollama(job.dialect) ? json{{"error", "planned failure in the stream"}}.dump() + "\n"
                                   : sse({{"error", error}})
        );
        connection.end_stream();
        return true;
    }
    if (knobs.reset == "mid_stream") {
        connection.reset();
        return true;
    }
    if (knobs.reset == "cut_mid_stream") {
        connection.cut();
        return true;
    }
    return false;
}

void flood(Engine& engine, Connection& connection, const Job& job, long bytes) {
    const std::string event = token_event(job, token_text(0, bytes > 0 ? bytes : kFloodChunk));
    while (connection.stream(event)) {
        engine.count_token(false);
    }
    ++engine.stats().disconnects_seen;
}

void stream_answer(Engine& engine, Connection& connection, const Knobs& knobs, const Job& job) {
    const auto* type = is_ollama(job.dialect) ? "application/x-ndjson" : "text/event-stream";
    connection.begin_stream(type, knobs.framing != "close");
    if (knobs.reset == "after_head") {
        connection.reset();
        return;
    }
    const std::string opening = opening_events(job);
    if (!opening.empty()) {
        connection.stream(opening);
    }
    if (knobs.flood) {
        flood(engine, connection, job, knobs.chunk_bytes);
        return;
    }
    bool gone = false;
    for (long made = 0; made < job.tokens; ++made) {
        // Read again for every token: a test may change its mind in mid-stream.
        const auto now = engine.knobs();
        if (strikes_in_stream(connection, *now, job, made)) {
            return;
        }
        if (!next_token(engine, connection, *now, gone)) {
            connection.cut();
            return;
        }
        if (!gone && job.tool.is_null() &&
            !connection.stream(token_event(job, token_text(made, now->chunk_bytes)))) {
            gone = true;
            ++engine.stats().disconnects_seen;
        }
    }
    const std::string closing = closing_events(engine, job, job.tokens, !knobs.no_done);
    if (!closing.empty()) {
        connection.stream(closing);
    }
    connection.end_stream();
}

void unary_answer(Engine& engine, Connection& connection, const Knobs& knobs, const Job& job) {
    std::string text;
    bool gone = false;
    for (long made = 0; made < job.tokens; ++made) {
        if (!next_token(engine, connection, knobs, gone)) {
            connection.cut();
            return;
        }
        text += token_text(made, knobs.chunk_bytes);
    }
    const std::string body = unary_document(engine, job, text, job.tokens).dump();
    if (knobs.reset == "after_head" || knobs.reset == "mid_stream") {
        connection.write(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
            std::to_string(body.size()) + "\r\n\r\n" + body.substr(0, 20)
        );
        connection.reset();
        return;
    }
    connection.respond(200, "application/json; charset=utf-8", body);
}

Job job_of(Engine& engine, const Request& request, const json& body, Dialect dialect) {
    Job job{.dialect = dialect, .model = body.value("model", ""), .tool = nullptr};
    if (job.model.empty() && !engine.models().empty()) {
        job.model = engine.models().front();
    }
    job.stream = body.value("stream", is_ollama(dialect));
    const json options = body.value("stream_options", json::object());
    job.include_usage = options.is_object() && options.value("include_usage", false);
    job.prompt_tokens = std::max(1L, static_cast<long>(request.body.size() / 4));
    job.tokens = engine.knobs()->tokens;
    const json limits = is_ollama(dialect) ? body.value("options", json::object()) : body;
    for (const auto* name : {"max_tokens", "max_completion_tokens", "num_predict"}) {
        if (limits.contains(name) && limits[name].is_number_integer() &&
            limits[name].get<long>() > 0 && limits[name].get<long>() < job.tokens) {
            job.tokens = limits[name].get<long>();
            job.stopped_by_length = true;
        }
    }
    const bool wants_tool = body.contains("tools") && body["tools"].is_array() &&
                            !body["tools"].empty() && body.value("tool_choice", json()) != "none";
    if (wants_tool && dialect == Dialect::openai_chat) {
        const auto name = json::json_pointer("/function/name");
        job.tool = body["tools"][0].contains(name) ? body["tools"][0].at(name) : json("tool");
    }
    return job;
}

// Counts a generation from its start to its end, however it ends.
class Active {
public:
    explicit Active(Stats& stats) : stats_(stats) {
        ++stats_.generations_total;
        const long active = ++stats_.generations_active;
        long peak = stats_.generations_peak;
        while (active > peak && !stats_.generations_peak.compare_exchange_weak(peak, active)) {
        }
    }

    Active(const Active&) = delete;
    Active& operator=(const Active&) = delete;

    ~Active() { --stats_.generations_active; }

private:
    Stats& stats_;
};

}  // namespace

void generate(Engine& engine, Connection& connection, const Request& request, Dialect dialect) {
    const auto knobs = engine.knobs();
    {
        const Active active(engine.stats());
        connection.add_header("X-Body-Sha256", request.body_sha256);
        connection.add_header("X-Body-Bytes", std::to_string(request.body.size()));
        if (strikes_before_head(engine, connection, *knobs)) {
            return;
        }
        const json body = json::parse(request.body, nullptr, false);
        if (!body.is_object()) {
            respond_error(engine, connection, 400, "invalid_request_error", "parse error");
            return;
        }
        Job job;
        try {
            job = job_of(engine, request, body, dialect);
        } catch (const json::exception& wrong) {
            respond_error(engine, connection, 400, "invalid_request_error", wrong.what());
            return;
        }
        // llama.cpp and SGLang serve what they have under any name; vLLM and Ollama do not.
        const std::string& surface = engine.launch().surface;
        if ((surface == "vllm" || surface == "ollama") && !engine.knows_model(job.model)) {
            respond_error(
                engine, connection, 404, "NotFoundError", "model '" + job.model + "' not found"
            );
            return;
        }
        if (surface == "ollama") {
            engine.load_once();
        }
        if (job.stream) {
            stream_answer(engine, connection, *knobs, job);
        } else {
            unary_answer(engine, connection, *knobs, job);
        }
    }
    const auto now = engine.knobs();
    if (now->crash_after_requests >= 0 &&
        engine.stats().generations_total >= now->crash_after_requests) {
        engine.crash("GGML_ASSERT(false) failed: crash_after_requests");
    }
}

std::vector<double> embedding_of(std::string_view text, long dims) {
    // The same text gives the same vector of length one; other texts give others.
    const std::string digest = sha256_hex(text);
    std::vector<double> values;
    double sum = 0;
    for (long i = 0; i < dims; ++i) {
        const double value = digest[static_cast<std::size_t>(i) % digest.size()] - 'N' + 0.5;
        values.push_back(value);
        sum += value * value;
    }
    for (double& value : values) {
        value /= std::sqrt(sum);
    }
    return values;
}

namespace {

std::string base64_floats(const std::vector<double>& values) {
    std::vector<float> floats(values.begin(), values.end());
    std::string text(4 * ((floats.size() * sizeof(float) + 2) / 3) + 1, '\0');
    const int size = EVP_EncodeBlock(
        reinterpret_cast<unsigned char*>(text.data()),
        reinterpret_cast<const unsigned char*>(floats.data()),
        static_cast<int>(floats.size() * sizeof(float))
    );
    text.resize(static_cast<std::size_t>(size));
    return text;
}

}  // namespace

void embed(Engine& engine, Connection& connection, const Request& request) {
    const Launch& launch = engine.launch();
    if (launch.surface == "llamacpp" && !launch.embeddings) {
        respond_error(
            engine, connection, 501, "not_supported_error",
            "This server does not support embeddings. Start it with `--embeddings`"
        );
        return;
    }
    const auto knobs = engine.knobs();
    if (strikes_before_head(engine, connection, *knobs)) {
        return;
    }
    const json body = json::parse(request.body, nullptr, false);
    if (!body.is_object() || !body.contains("input")) {
        respond_error(engine, connection, 400, "invalid_request_error", "\"input\" is missing");
        return;
    }
    const json inputs = body["input"].is_array() ? body["input"] : json::array({body["input"]});
    json answer{{"object", "list"}, {"model", body.value("model", "")}, {"data", json::array()}};
    long index = 0;
    for (const auto& input : inputs) {
        const auto vector =
            embedding_of(input.is_string() ? input.get<std::string>() : input.dump(), knobs->dims);
        json entry{{"object", "embedding"}, {"index", index++}};
        entry["embedding"] = body.value("encoding_format", "float") == "base64"
                                 ? json(base64_floats(vector))
                                 : json(vector);
        answer["data"].push_back(entry);
    }
    answer["usage"] = {{"prompt_tokens", index}, {"total_tokens", index}};
    respond_json(connection, 200, answer);
}

void embed_ollama(Engine& engine, Connection& connection, const Request& request) {
    const json body = json::parse(request.body, nullptr, false);
    if (!body.is_object() || !body.contains("input")) {
        respond_error(engine, connection, 400, "", "missing input");
        return;
    }
    const json inputs = body["input"].is_array() ? body["input"] : json::array({body["input"]});
    json answer{
        {"model", body.value("model", "")},
        {"embeddings", json::array()},
        {"total_duration", 1},
        {"load_duration", 1},
        {"prompt_eval_count", inputs.size()}
    };
    for (const auto& input : inputs) {
        answer["embeddings"].push_back(embedding_of(
            input.is_string() ? input.get<std::string>() : input.dump(), engine.knobs()->dims
        ));
    }
    respond_json(connection, 200, answer);
}

}  // namespace fake

// The state all threads of the fake engine share, and who answers what.
#pragma once

#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "http.hpp"
#include "knobs.hpp"

namespace fake {

struct Stats {
    std::atomic<long> connections_open{0};
    std::atomic<long> connections_total{0};
    std::atomic<long> requests_total{0};
    std::atomic<long> generations_total{0};
    std::atomic<long> generations_active{0};
    std::atomic<long> generations_peak{0};
    std::atomic<long> tokens_total{0};
    std::atomic<long> tokens_after_disconnect{0};
    std::atomic<long> disconnects_seen{0};
    std::atomic<long> probes_total{0};
    std::atomic<long> body_bytes_total{0};
};

enum class Phase : int { opening, loading, ready };

class Engine {
public:
    Engine(Launch launch, Knobs knobs);

    const Launch& launch() const { return launch_; }

    std::shared_ptr<const Knobs> knobs() { return source_.now(); }

    Stats& stats() { return stats_; }

    Phase phase() const { return phase_.load(); }

    int port() const { return port_.load(); }

    // The names that /v1/models and /api/tags list.
    std::vector<std::string> models();
    void add_model(std::string name);
    bool knows_model(const std::string& name);

    // The longest part of a start; returns when the model is loaded. Called from a thread of its
    // own.
    void start();
    void load_model();
    // Ollama loads with the first request that needs the model; the others wait for it.
    void load_once();
    // Binds and listens, then accepts for ever on threads of its own; false when the port is taken.
    bool listen_and_accept();

    // Writes log_text and leaves the way `exit_code` says.
    [[noreturn]] void crash(std::string_view why);
    void log(std::string_view line);
    double seconds_up() const;

    void count_token(bool after_disconnect);
    void remember(const Request& request);
    std::string last_request();

private:
    void announce_ready();
    void check_model_file();

    const Launch launch_;
    KnobSource source_;
    Stats stats_;
    std::atomic<Phase> phase_{Phase::opening};
    std::atomic<int> port_{0};
    const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    std::once_flag loaded_;
    std::mutex mutex_;
    std::vector<std::string> added_models_;
    std::string last_request_;
};

// One connection from its first request to its end; bench has a loop of its own.
void serve_connection(Engine& engine, int fd);
void serve_bench(const Launch& launch, int fd);

// Generation, OpenAI and Ollama; false when the connection is to be closed.
enum class Dialect : int { openai_chat, openai_completion, ollama_chat, ollama_generate };
void generate(Engine& engine, Connection& connection, const Request& request, Dialect dialect);
void embed(Engine& engine, Connection& connection, const Request& request);

// Everything below /api/ that is not generation, and "/"; false when there is no such route.
bool serve_ollama(Engine& engine, Connection& connection, const Request& request);
void embed_ollama(Engine& engine, Connection& connection, const Request& request);
std::vector<double> embedding_of(std::string_view text, long dims);

// An error in the words of the engine that is played.
void respond_error(
    Engine& engine, Connection& connection, int status, std::string_view type,
    std::string_view message
);
void respond_json(Connection& connection, int status, const nlohmann::json& body);

}  // namespace fake

// nova's requests to engines, against servers that answer as llama.cpp, Ollama and strangers do.
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lifecycle/engine_client.hpp"
#include "net/test_server.hpp"

namespace nova::lifecycle {
namespace {

using net::Exchange;
using net::testing::run_on;
using net::testing::Server;

net::Handler answering(int status, std::string body) {
    return [status, body](Exchange& exchange) -> Task<void> {
        ignore(co_await exchange.respond(status, "application/json", body), "a test");
    };
}

ProbeTarget target_at(const Endpoint& endpoint) {
    ProbeTarget target;
    target.endpoint = endpoint;
    target.probe.path = "/health";
    target.probe.loading_statuses = {503};
    target.probe.models_path = "/v1/models";
    return target;
}

using Verdict = ProbeResult::Verdict;

TEST(EngineClient, TellsReadyFromLoadingFromBroken) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        Server server{io};
        server.routes.add("GET", "/health", answering(200, "{}"));
        server.routes.add(
            "GET", "/loading", answering(503, R"({"error":{"message":"Loading model"}})")
        );
        server.routes.add("GET", "/broken", answering(500, "no"));
        ProbeTarget target = target_at(server.start());
        HttpEngineClient client{clock};
        const Deadline soon = Deadline::in(clock, net::testing::kPatience);
        EXPECT_EQ((co_await client.probe(target, soon)).verdict, Verdict::ready);
        target.probe.path = "/loading";
        const ProbeResult loading = co_await client.probe(target, soon);
        EXPECT_EQ(loading.verdict, Verdict::loading);
        EXPECT_EQ(loading.detail, "HTTP 503: Loading model");
        target.probe.path = "/broken";
        EXPECT_EQ((co_await client.probe(target, soon)).verdict, Verdict::failed);
        target.probe.path = "/absent";
        EXPECT_EQ((co_await client.probe(target, soon)).verdict, Verdict::failed);
        target.external = true;  // somebody else's server without a list of models is alive
        EXPECT_EQ((co_await client.probe(target, soon)).verdict, Verdict::ready);
        target.probe.models_path = "/absent";
        const auto models = co_await client.models(target, soon);
        EXPECT_TRUE(models && !models->known);
        target.endpoint.port = 1;
        EXPECT_EQ((co_await client.probe(target, soon)).verdict, Verdict::refused);
        co_await server.stop();
    });
}

TEST(EngineClient, ReadsBothKindsOfListsAndLeavesOutWhatACloudWouldAnswer) {
    const auto openai = model_ids(R"({"data":[{"id":"a"},{"x":1}]})", engine::Protocol::openai);
    EXPECT_EQ(*openai, std::vector<std::string>{"a"});
    const auto ollama = model_ids(
        R"({"models":[{"name":"b:1"},{"name":"c","remote_host":"https://ollama.com"}]})",
        engine::Protocol::ollama
    );
    EXPECT_EQ(*ollama, std::vector<std::string>{"b:1"});
    EXPECT_FALSE(model_ids("[]", engine::Protocol::openai));
}

// Ollama as far as nova asks it: the model is missing, then a file is handed over.
struct FakeOllama {
    std::string blob;
    std::string digest;
    std::string created;
    bool loaded = false;

    void add_to(net::RouteTable& routes) {
        routes.add("POST", "/api/show", answering(404, R"({"error":"model 'm' not found"})"));
        routes.add("HEAD", "/api/blobs/{digest}", answering(404, ""));
        routes.add("POST", "/api/blobs/{digest}", [this](Exchange& exchange) -> Task<void> {
            digest = exchange.parameter("digest");
            blob = (co_await exchange.read_body(64U << 20U)).value();
            ignore(co_await exchange.respond(201, "text/plain", ""), "a test");
        });
        routes.add("POST", "/api/create", [this](Exchange& exchange) -> Task<void> {
            created = (co_await exchange.read_body(1U << 20U)).value();
            ignore(co_await exchange.respond(200, "application/json", "{}"), "a test");
        });
        routes.add("POST", "/api/generate", [this](Exchange& exchange) -> Task<void> {
            loaded = true;
            ignore(co_await exchange.respond(200, "application/json", "{}"), "a test");
        });
    }
};

TEST(EngineClient, HandsAFileToOllamaCreatesTheModelAndLoadsIt) {
    const auto path = std::filesystem::path{testing::TempDir()} / "nova-engine-client.gguf";
    std::string content(9'000'000, 'g');  // several pieces
    content.replace(4'500'000, 5, "other");
    std::ofstream{path, std::ios::binary} << content;
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        FakeOllama ollama;
        Server server{io};
        ollama.add_to(server.routes);
        ProbeTarget target = target_at(server.start());
        target.protocol = engine::Protocol::ollama;
        HttpEngineClient client{clock};
        std::uint64_t seen = 0;
        const engine::ResolvedModel model{
            .id = {"m"}, .path = path.string(), .size = {content.size()}
        };
        const auto loaded = co_await client.load(target, model, [&](const runtime::Progress& p) {
            seen = std::max(seen, p.done.count);
        });
        EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().message);
        EXPECT_EQ(ollama.blob, content);
        EXPECT_EQ(seen, content.size());
        const Json created = Json::parse(ollama.created);
        EXPECT_EQ(created["model"], "m");
        EXPECT_EQ(created["files"]["nova-engine-client.gguf"], ollama.digest);
        EXPECT_TRUE(ollama.loaded);
        const engine::ResolvedModel nowhere{.id = {"m"}, .path = {}, .size = {}};
        const auto missing = co_await client.load(target, nowhere, [](const runtime::Progress&) {});
        EXPECT_TRUE(!missing && missing.error().code == ErrorCode::not_found);
        co_await server.stop();
    });
    std::filesystem::remove(path);
}

TEST(EngineClient, UnloadsAModelOfOllamaAndAsksNoOtherEngine) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        Server server{io};
        std::vector<std::string> asked;
        server.routes.add("POST", "/api/generate", [&](Exchange& exchange) -> Task<void> {
            asked.push_back((co_await exchange.read_body(1U << 20U)).value());
            const int status = asked.size() == 1 ? 200 : 500;
            ignore(co_await exchange.respond(status, "application/json", "{}"), "a test");
        });
        ProbeTarget target = target_at(server.start());
        HttpEngineClient client{clock};
        const Deadline soon = Deadline::in(clock, std::chrono::seconds{10});
        EXPECT_TRUE(co_await client.unload(target, "m", soon));
        EXPECT_TRUE(asked.empty());
        target.protocol = engine::Protocol::ollama;
        EXPECT_TRUE(co_await client.unload(target, "m", soon));
        const Json body = Json::parse(asked.at(0));
        EXPECT_EQ(body["model"], "m");
        EXPECT_EQ(body["keep_alive"], 0);
        EXPECT_FALSE(body.contains("prompt"));
        EXPECT_FALSE(co_await client.unload(target, "m", soon));
        co_await server.stop();
    });
}

TEST(CounterSum, AddsTheSamplesOfTheNamesItIsGiven) {
    constexpr std::string_view text =
        "# HELP llamacpp:tokens_predicted_total Number of generation tokens processed.\n"
        "# TYPE llamacpp:tokens_predicted_total counter\n"
        "llamacpp:tokens_predicted_total 41\n"
        "vllm:prompt_tokens_total{engine=\"0\",model_name=\"a b\"} 1.0\n"
        "vllm:prompt_tokens_total{engine=\"1\"} 2e3\n"
        "llamacpp:tokens_predicted_seconds 9.5";
    EXPECT_EQ(counter_sum(text, {"llamacpp:tokens_predicted_total"}), 41U);
    EXPECT_EQ(counter_sum(text, {"vllm:prompt_tokens_total"}), 2001U);
    EXPECT_EQ(
        counter_sum(text, {"llamacpp:tokens_predicted_total", "vllm:prompt_tokens_total"}), 2042U
    );
    EXPECT_EQ(counter_sum(text, {"llamacpp:tokens_predicted"}), std::nullopt);
    EXPECT_EQ(counter_sum(text, {}), std::nullopt);
    EXPECT_EQ(counter_sum("", {"a"}), std::nullopt);
    EXPECT_EQ(counter_sum("a nan\n", {"a"}), std::nullopt);
}

}  // namespace
}  // namespace nova::lifecycle

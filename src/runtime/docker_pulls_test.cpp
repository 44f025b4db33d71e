// Names of images, and how a pull ends; pulls as they are in life are tried on a real daemon and
// registry in tests/docker.
#include <gtest/gtest.h>

#include "net/test_server.hpp"
#include "process/test_loop.hpp"
#include "runtime/docker_pulls.hpp"

namespace nova::runtime {
namespace {

struct Row {
    std::string_view image;
    std::string_view repository;
    std::string_view tag;
};

// Without a tag Docker pulls every tag there is.
TEST(DockerPulls, TakeEveryNameForOneImage) {
    constexpr Row kRows[] = {
        {"vllm/vllm-openai:v0.8.5", "vllm/vllm-openai", "v0.8.5"},
        {"ollama/ollama", "ollama/ollama", "latest"},
        {"127.0.0.1:5000/llamacpp:test", "127.0.0.1:5000/llamacpp", "test"},
        {"127.0.0.1:5000/llamacpp", "127.0.0.1:5000/llamacpp", "latest"},
        {"ghcr.io/x/y@sha256:12ab", "ghcr.io/x/y", "sha256:12ab"},
    };
    for (const Row& row : kRows) {
        const auto [repository, tag] = split_image(row.image);
        EXPECT_EQ(repository, row.repository) << row.image;
        EXPECT_EQ(tag, row.tag) << row.image;
    }
}

// A daemon that says these lines when asked for an image, and has it afterwards or not.
struct ScriptedDaemon {
    explicit ScriptedDaemon(asio::io_context& io) : server{io} {
        server.routes.add("GET", "/_ping", [](net::Exchange& exchange) -> Task<void> {
            const net::HeaderView version[] = {{"Api-Version", "1.41"}};
            ignore(co_await exchange.respond(200, "text/plain", "OK", version), "a test");
        });
        server.routes.add("GET", "/v1.41/info", [](net::Exchange& exchange) -> Task<void> {
            ignore(co_await exchange.respond(200, "application/json", "{}"), "a test");
        });
        server.routes.add("GET", "/v1.41/images/{name}/json", [this](net::Exchange& exchange) {
            const auto [status, body] = looks;
            return answer(exchange, status, body);
        });
        server.routes.add("POST", "/v1.41/images/create", [this](net::Exchange& exchange) {
            looks = afterwards;
            return answer(exchange, 200, lines);
        });
    }

    static Task<void> answer(net::Exchange& exchange, int status, std::string body) {
        ignore(co_await exchange.respond(status, "application/json", body), "a test");
    }

    static constexpr std::pair<int, const char*> kAbsent{404, R"({"message":"no such image"})"};

    net::testing::Server server;
    std::pair<int, std::string> looks{kAbsent};
    std::pair<int, std::string> afterwards{kAbsent};
    std::string lines;
};

struct End {
    const char* lines;
    std::pair<int, std::string> afterwards;
    std::string_view word;  // of the error; empty: the image is here
};

// Podman 4.3 ends with the image's id, Docker with a digest.
TEST(DockerPulls, EndWellWhenTheImageIsThereAndOnlyThen) {
    const std::pair<int, std::string> here{200, R"({"Id":"sha256:ab"})"};
    const std::pair<int, std::string> ill{500, R"({"message":"storage is locked"})"};
    constexpr const char* kPodman =
        "{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"aa11\"}\n"
        "{\"status\":\"Download complete\",\"progressDetail\":{},\"id\":\"aa11\"}\n"
        "{\"status\":\"Download complete\",\"progressDetail\":{},\"id\":\"5fd5\"}\n";
    constexpr const char* kDocker = "{\"status\":\"Digest: sha256:12ab\"}\n";
    constexpr const char* kRefused = "{\"errorDetail\":{\"message\":\"manifest unknown\"}}\n";
    const End ends[] = {
        {kPodman, here, ""},
        {kPodman, ScriptedDaemon::kAbsent, "pull_cut"},
        {kPodman, ill, "runtime_failed"},
        {kDocker, here, ""},
        {kRefused, here, "image_not_found"},
        {"", ScriptedDaemon::kAbsent, "pull_cut"},
    };
    for (const End& end : ends) {
        const process::TestFolder folder;
        const std::string socket = folder.file("docker.sock");
        asio::io_context io{1};
        net::testing::run_on(io, [&]() -> Task<void> {
            SystemClock clock;
            ScriptedDaemon daemon{io};
            daemon.lines = end.lines;
            daemon.afterwards = end.afterwards;
            const auto endpoint = daemon.server.http().listen(
                {.host = "unix:" + socket}, net::PortSharing::exclusive
            );
            EXPECT_TRUE(endpoint) << (endpoint ? "" : endpoint.error().message);
            TaskGroup group{io.get_executor()};
            group.spawn("daemon", daemon.server.http().run());
            DockerApi api{clock, socket};
            DockerPulls pulls{io.get_executor(), clock, api, {}};
            const auto pulled = co_await pulls.ensure("tiny:1", {}, {});
            EXPECT_EQ(pulled ? "" : pulled.error().name(), end.word)
                << end.lines << (pulled ? "" : pulled.error().message);
            co_await daemon.server.stop();
            co_await group.join();
        });
    }
}

}  // namespace
}  // namespace nova::runtime

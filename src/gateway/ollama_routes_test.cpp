// What clients of Ollama see of nova's models.
#include <nlohmann/json.hpp>

#include "gateway/gateway_fixture.hpp"

namespace nova::gateway::testing {
namespace {

using J = nlohmann::json;

class OllamaRoutes : public GatewayFixture {
protected:
    // Any method, target and body; the answer's body as JSON.
    Task<J> look(std::string method, std::string target, std::string body = {}, int status = 200) {
        net::FetchRequest request;
        request.endpoint = gateway_;
        request.method = std::move(method);
        request.target = std::move(target);
        request.body = std::move(body);
        request.deadline = Deadline::in(clock_, kPatience);
        const auto answer = co_await ask(std::move(request));
        EXPECT_EQ(answer.status, status) << answer.body;
        co_return J::parse(answer.body, nullptr, false);
    }

    static std::shared_ptr<const Upstream> cloud(std::string provider, std::string model) {
        auto upstream = std::make_shared<Upstream>();
        upstream->id = {"cloud/" + provider};
        upstream->provider = std::move(provider);
        upstream->models = {std::move(model)};
        upstream->where = Where::cloud;
        return upstream;
    }

    // Local "m", embed "e", cloud "groq" with g/1, alias fast for it.
    RoutingTable everything() const {
        RoutingTable table = serving(1);
        table.embed = std::make_shared<const RoutingTable>(serving(2, "e"));
        table.clouds = {cloud("groq", "g/1"), cloud("openai", "m")};
        table.aliases = {
            {.name = "fast", .provider = "groq", .model = "g/1"},
            {.name = "mine", .provider = {}, .model = "m"},
            {.name = "nobody", .provider = "mistral", .model = "x"},
        };
        return table;
    }
};

std::string names(const J& body) {
    std::string all;
    for (const J& model : body["models"]) {
        all += (all.empty() ? "" : " ") + model["name"].get<std::string>();
    }
    return all;
}

TEST_F(OllamaRoutes, TagsListEveryModelThatCanBeAskedOnce) {
    install(everything());
    run([&]() -> Task<void> {
        const J body = co_await look("GET", "/api/tags");
        EXPECT_EQ(names(body), "m e g/1 fast mine");
    });
}

TEST_F(OllamaRoutes, TagsKeepToTheStrategy) {
    RoutingTable table = everything();
    table.strategy = Strategy::local_only;
    install(table);
    run([&]() -> Task<void> { EXPECT_EQ(names(co_await look("GET", "/api/tags")), "m e mine"); });
    table.strategy = Strategy::cloud_only;
    install(table);
    run([&]() -> Task<void> {
        EXPECT_EQ(names(co_await look("GET", "/api/tags")), "g/1 m fast mine");
        EXPECT_EQ(names(co_await look("GET", "/api/ps")), "");
    });
}

TEST_F(OllamaRoutes, AnEntryHasWhatClientsValidateAndNothingMadeUp) {
    install(everything());
    run([&]() -> Task<void> {
        const J body = co_await look("GET", "/api/tags");
        const J& local = body["models"][0];
        EXPECT_EQ(local["model"], "m");
        EXPECT_EQ(local["size"], 0);
        EXPECT_EQ(local["modified_at"], "0001-01-01T00:00:00Z");
        EXPECT_EQ(local["digest"].get<std::string>().size(), 64U);
        EXPECT_TRUE(local["details"]["families"].is_array());
        EXPECT_FALSE(local.contains("remote_host"));
        EXPECT_EQ(body["models"][2]["remote_host"], "groq");
        EXPECT_EQ(body["models"][3]["remote_model"], "g/1");
        EXPECT_NE(local["digest"], body["models"][1]["digest"]);
        EXPECT_EQ(body, co_await look("GET", "/api/tags"));
    });
}

TEST_F(OllamaRoutes, AClosedGatewayListsNothing) {
    install(loading());
    run([&]() -> Task<void> {
        EXPECT_EQ(names(co_await look("GET", "/api/tags")), "");
        EXPECT_EQ(names(co_await look("GET", "/api/ps")), "");
    });
}

TEST_F(OllamaRoutes, PsListsWhatThisMachineHolds) {
    install(everything());
    run([&]() -> Task<void> {
        const J body = co_await look("GET", "/api/ps");
        EXPECT_EQ(names(body), "m e");
        EXPECT_EQ(body["models"][0]["size_vram"], 0);
        EXPECT_TRUE(body["models"][0].contains("expires_at"));
    });
}

TEST_F(OllamaRoutes, PsDoesNotGuessWhichOfSeveralModelsIsLoaded) {
    RoutingTable table = serving(1);
    Upstream upstream = *table.local;
    upstream.provider = "ollama";
    upstream.models = {"a:latest", "b:latest"};
    table.local = std::make_shared<const Upstream>(std::move(upstream));
    install(std::move(table));
    run([&]() -> Task<void> {
        EXPECT_EQ(names(co_await look("GET", "/api/ps")), "");
        EXPECT_EQ(names(co_await look("GET", "/api/tags")), "a:latest b:latest");
    });
}

TEST_F(OllamaRoutes, ShowSaysWhatIsKnownOfAModel) {
    install(everything());
    run([&]() -> Task<void> {
        const J chat = co_await look("POST", "/api/show", R"({"model":"m"})");
        EXPECT_EQ(chat["capabilities"], J({"completion"}));
        EXPECT_TRUE(chat["model_info"].is_object());
        EXPECT_TRUE(chat["details"].is_object());
        const J embed = co_await look("POST", "/api/show", R"({"name":"e:latest"})");
        EXPECT_EQ(embed["capabilities"], J({"embedding"}));
        const J alias = co_await look("POST", "/api/show", R"({"model":"fast"})");
        EXPECT_EQ(alias["details"]["parent_model"], "g/1");
    });
}

TEST_F(OllamaRoutes, ShowRefusesInOllamasWords) {
    install(everything());
    run([&]() -> Task<void> {
        const J unknown = co_await look("POST", "/api/show", R"({"model":"nope"})", 404);
        EXPECT_EQ(unknown, J({{"error", "model 'nope' not found"}}));
        EXPECT_EQ((co_await look("POST", "/api/show", "{}", 400))["error"], "model is missing.");
        EXPECT_TRUE((co_await look("POST", "/api/show", "oops", 400))["error"].is_string());
    });
}

TEST_F(OllamaRoutes, ModelsAreNotManagedHere) {
    install(everything());
    run([&]() -> Task<void> {
        for (const std::string path :
             {"/api/pull", "/api/push", "/api/create", "/api/copy", "/api/blobs/sha256:00"}) {
            const J body = co_await look("POST", path, R"({"model":"m"})", 403);
            EXPECT_TRUE(body["error"].get<std::string>().contains("nova start")) << path;
        }
        const J body = co_await look("DELETE", "/api/delete", R"({"model":"m"})", 403);
        EXPECT_TRUE(body["error"].is_string());
    });
}

TEST_F(OllamaRoutes, SaysWhichOllamaItSpeaksAs) {
    run([&]() -> Task<void> {
        EXPECT_EQ((co_await look("GET", "/api/version"))["version"], "0.17.4");
        (void)co_await look("GET", "/");
    });
}

}  // namespace
}  // namespace nova::gateway::testing

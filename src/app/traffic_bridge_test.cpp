#include <algorithm>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "app/traffic_bridge.hpp"
#include "net/http_client.hpp"

namespace nova::app {
namespace {

TEST(TrafficBridge, AClosedViewHasNoUpstreamButSaysWhy) {
    lifecycle::SlotView view;
    view.slot = SlotName{"local"};
    view.provider = "llamacpp";
    view.known_models = {"m"};
    view.error = "broken";
    view.loading = lifecycle::LoadingView{.phase = "starting", .progress = 0.5, .eta_s = {}};
    const auto table = routing_table_from(view, Epoch{7});
    EXPECT_EQ(table.epoch.value, 7U);
    EXPECT_EQ(table.local, nullptr);
    EXPECT_EQ(table.wanted_provider, "llamacpp");
    EXPECT_EQ(table.known_models, std::vector<std::string>{"m"});
    EXPECT_EQ(table.error, "broken");
    ASSERT_TRUE(table.loading);
    EXPECT_EQ(table.loading->phase, "starting");
    EXPECT_EQ(table.loading->progress, 0.5);
    EXPECT_EQ(table.slot.value, "local");
    EXPECT_FALSE(table.parked);
    view.parked = true;
    EXPECT_TRUE(routing_table_from(view, Epoch{8}).parked);
}

TEST(TrafficBridge, AnOpenViewBecomesItsUpstream) {
    lifecycle::SlotView view;
    view.provider = "custom";
    view.open = lifecycle::UpstreamView{};
    view.open->id = UpstreamId{"local/3"};
    view.open->provider = "custom";
    view.open->endpoint = {.host = "127.0.0.1", .port = 9};
    view.open->base_path = "/api/v1";
    view.open->auth_header_name = "X-Key";
    view.open->auth_header_value = Secret{"s3cret"};
    view.open->models_known = false;
    const auto table = routing_table_from(view, Epoch{1});
    ASSERT_NE(table.local, nullptr);
    EXPECT_EQ(table.local->id.value, "local/3");
    EXPECT_EQ(table.local->endpoint.port, 9);
    EXPECT_EQ(table.local->base_path, "/api/v1");
    EXPECT_EQ(table.local->auth_header_name, "X-Key");
    EXPECT_EQ(table.local->auth_header_value.reveal(), "s3cret");
    EXPECT_TRUE(table.local->serves("anything"));
}

TEST(TrafficBridge, OllamaIsSpokenToInItsOwnDialect) {
    lifecycle::SlotView view;
    view.provider = "ollama";
    view.open = lifecycle::UpstreamView{};
    view.open->provider = "ollama";
    view.open->base_path = "/v1";
    const auto table = routing_table_from(view, Epoch{1});
    ASSERT_NE(table.local, nullptr);
    EXPECT_EQ(table.local->speaks, dialect::Dialect::ollama);
    EXPECT_EQ(table.local->base_path, "");
}

TEST(TrafficBridge, OnlyEnginesThatSayItNoOtherWayAreAskedForUsage) {
    for (const auto& [provider, asked] :
         {std::pair{"vllm", true}, {"sglang", true}, {"llamacpp", false}, {"custom", false}}) {
        lifecycle::SlotView view;
        view.open = lifecycle::UpstreamView{};
        view.open->provider = provider;
        EXPECT_EQ(routing_table_from(view, Epoch{1}).local->options.include_usage, asked)
            << provider;
    }
}

lifecycle::SlotView open_view(const std::string& slot, std::uint64_t generation) {
    lifecycle::SlotView view;
    view.slot = SlotName{slot};
    view.provider = slot == "embed" ? "llamacpp" : "vllm";
    view.open = lifecycle::UpstreamView{};
    view.open->id = UpstreamId{slot + "/" + std::to_string(generation)};
    view.open->provider = view.provider;
    view.open->models = {slot + "-model"};
    return view;
}

bool embeds(const std::string& engine) {
    return engine != "vllm";
}

TEST(TrafficBridge, TheEmbedSlotHasATableOfItsOwnWhileSomethingIsWantedThere) {
    const auto local = open_view("local", 1);
    auto embed = open_view("embed", 1);
    auto table = routing_table_from(local, embed, embeds, Epoch{3});
    EXPECT_EQ(table.local->id.value, "local/1");
    ASSERT_NE(table.embedder(), nullptr);
    EXPECT_EQ(table.embedder()->id.value, "embed/1");
    EXPECT_EQ(table.embed->epoch.value, 3U);
    embed.open.reset();
    table = routing_table_from(local, embed, embeds, Epoch{4});
    ASSERT_NE(table.embed, nullptr);
    EXPECT_EQ(table.embedder(), nullptr);
    embed.provider = "none";
    EXPECT_EQ(routing_table_from(local, embed, embeds, Epoch{5}).embed, nullptr);
    EXPECT_EQ(routing_table_from(local, {}, embeds, Epoch{6}).embed, nullptr)
        << "before that slot published anything";
}

TEST(TrafficBridge, WhetherTheLocalBackendEmbedsIsTheEnginesWordUntilItRuns) {
    auto local = open_view("local", 1);
    EXPECT_TRUE(routing_table_from(local, {}, embeds, Epoch{1}).local_embeds);
    local.open->embeds = false;
    EXPECT_FALSE(routing_table_from(local, {}, embeds, Epoch{1}).local_embeds);
    local.open.reset();
    EXPECT_FALSE(routing_table_from(local, {}, embeds, Epoch{1}).local_embeds);
    local.provider = "llamacpp";
    EXPECT_TRUE(routing_table_from(local, {}, embeds, Epoch{1}).local_embeds);
}

// Two slots publish without waiting for each other; a slow worker may not make one undo the other.
TEST(TrafficBridge, PublicationsOfTwoSlotsNeverDisturbEachOther) {
    asio::io_context io{1};
    SystemClock clock;
    Log log{Log::Sink::none, LogLevel::debug};
    const auto admit = [](const net::RequestHead&, const net::Peer&) {
        return std::optional<Error>{};
    };
    DataPlane plane{
        io.get_executor(),
        clock,
        log,
        {.workers = 2, .policy = {}, .admission = admit, .on_refused = {}}
    };
    TrafficBridge bridge{plane, embeds};
    TaskGroup slots{io.get_executor()};
    std::vector<std::uint64_t> epochs;
    const auto ready = [&](const Endpoint& gateway, const std::string& model) -> Task<int> {
        net::FetchRequest request;
        request.endpoint = gateway;
        request.target = "/v1/models/" + model;
        request.deadline = Deadline::in(clock, std::chrono::seconds{10});
        const auto answer = co_await net::fetch(clock, std::move(request));
        co_return answer ? answer->status : 0;
    };
    const auto slot = [&](Endpoint gateway, std::string name, std::string other) -> Task<void> {
        for (std::uint64_t round = 1; round <= 20; ++round) {
            const auto opened = co_await bridge.publish(open_view(name, round));
            epochs.push_back(opened->value);
            EXPECT_EQ(co_await ready(gateway, name + "-model"), 200) << name << " " << round;
            lifecycle::SlotView closed;
            closed.slot = SlotName{name};
            closed.provider = "none";
            const auto shut = co_await bridge.publish(closed);
            epochs.push_back(shut->value);
            EXPECT_EQ(co_await ready(gateway, name + "-model"), 404) << name << " " << round;
            EXPECT_EQ(co_await ready(gateway, other), 200) << name << " " << round;
        }
    };
    bool done = false;
    const auto whole = [&]() -> Task<void> {
        const Endpoint gateway = plane.listen({.host = "127.0.0.1"}).value();
        plane.start();
        EXPECT_FALSE(bridge.open());
        // One slot opens and closes all the time while the other publishes what it had.
        auto always = open_view("local", 0);
        always.open->models = {"always"};
        (void)co_await bridge.publish(always);
        EXPECT_TRUE(bridge.open());
        slots.spawn("embed", slot(gateway, "embed", "always"));
        const auto again = [&]() -> Task<void> {
            for (int i = 0; i < 40; ++i) {
                const auto opened = co_await bridge.publish(always);
                epochs.push_back(opened->value);
            }
        };
        slots.spawn("local", again());
        co_await slots.join();
        co_await plane.stop(Deadline::in(clock, std::chrono::seconds{5}));
        done = true;
    };
    asio::co_spawn(io, whole, [](std::exception_ptr e) { EXPECT_FALSE(e); });
    io.run_for(std::chrono::seconds{60});
    ASSERT_TRUE(done);
    std::ranges::sort(epochs);
    EXPECT_EQ(std::ranges::adjacent_find(epochs), epochs.end()) << "an epoch was given twice";
}

std::shared_ptr<const gateway::Upstream> cloud(const std::string& name) {
    auto value = std::make_shared<gateway::Upstream>();
    value->id = UpstreamId{"cloud/" + name};
    value->provider = name;
    value->where = gateway::Where::cloud;
    return value;
}

TEST(TrafficBridge, AliasesNameAProviderOnlyWhenItIsOne) {
    const auto aliases = gateway_aliases_from(
        {{"a", "groq/llama"}, {"b", "org/llama"}, {"c", "local/x"}, {"d", "plain"}}, {cloud("groq")}
    );
    ASSERT_EQ(aliases.size(), 4U);
    EXPECT_EQ(aliases[0].provider, "groq");
    EXPECT_EQ(aliases[0].model, "llama");
    EXPECT_EQ(aliases[1].provider, "");
    EXPECT_EQ(aliases[1].model, "org/llama");
    EXPECT_EQ(aliases[2].provider, "local");
    EXPECT_EQ(aliases[3].model, "plain");
}

TEST(TrafficBridge, StrategiesByTheirWords) {
    using enum gateway::Strategy;
    EXPECT_EQ(gateway_strategy_from("local-first"), local_first);
    EXPECT_EQ(gateway_strategy_from("cloud-first"), cloud_first);
    EXPECT_EQ(gateway_strategy_from("local-only"), local_only);
    EXPECT_EQ(gateway_strategy_from("cloud-only"), cloud_only);
}

// The choices are in every table from then on, whoever publishes it.
TEST(TrafficBridge, ChoicesStayWhenASlotPublishes) {
    asio::io_context io{1};
    SystemClock clock;
    Log log{Log::Sink::none, LogLevel::debug};
    const auto admit = [](const net::RequestHead&, const net::Peer&) {
        return std::optional<Error>{};
    };
    DataPlane plane{
        io.get_executor(),
        clock,
        log,
        {.workers = 1, .policy = {}, .admission = admit, .on_refused = {}}
    };
    TrafficBridge bridge{plane, embeds};
    const auto status = [&](const Endpoint& gateway) -> Task<int> {
        net::FetchRequest request;
        request.endpoint = gateway;
        request.target = "/health/ready";
        request.deadline = Deadline::in(clock, std::chrono::seconds{10});
        const auto answer = co_await net::fetch(clock, std::move(request));
        co_return answer ? answer->status : 0;
    };
    bool done = false;
    const auto whole = [&]() -> Task<void> {
        using enum gateway::Strategy;
        const Endpoint gateway = plane.listen({.host = "127.0.0.1"}).value();
        plane.start();
        EXPECT_FALSE(bridge.can_answer());
        co_await bridge.choose({.strategy = local_first, .clouds = {cloud("groq")}});
        EXPECT_TRUE(bridge.can_answer());
        EXPECT_EQ(co_await status(gateway), 200) << "a cloud can answer";
        co_await bridge.choose({.strategy = local_only, .clouds = {cloud("groq")}});
        EXPECT_FALSE(bridge.can_answer());
        EXPECT_EQ(co_await status(gateway), 503);
        (void)co_await bridge.publish(open_view("local", 1));
        EXPECT_EQ(co_await status(gateway), 200);
        co_await bridge.choose({.strategy = cloud_only});
        EXPECT_EQ(co_await status(gateway), 503) << "nothing local under cloud-only";
        (void)co_await bridge.publish(open_view("local", 2));
        EXPECT_EQ(co_await status(gateway), 503) << "the choice outlives a publication";
        EXPECT_FALSE(bridge.can_answer());
        co_await plane.stop(Deadline::in(clock, std::chrono::seconds{5}));
        done = true;
    };
    asio::co_spawn(io, whole, [](std::exception_ptr e) { EXPECT_FALSE(e); });
    io.run_for(std::chrono::seconds{60});
    ASSERT_TRUE(done);
}

}  // namespace
}  // namespace nova::app

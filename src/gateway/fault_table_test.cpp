// Every fault of a provider, in every protocol and before every client: what the client saw, what
// was billed, and whether the next provider answered instead.
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "gateway/fault_dialects.hpp"
#include "gateway/first_content.hpp"
#include "gateway/gateway_fixture.hpp"

namespace nova::gateway {
namespace {

using namespace std::chrono_literals;
using dialect::Dialect;
using testing::Client;
using testing::clients;
using testing::last_word;
using testing::Protocol;
using testing::protocols;

// What a provider does instead of answering.
using Script = std::function<Task<void>(const Protocol&, net::Exchange&)>;

struct Fault {
    std::string name;
    Script script;
    int status = 502;    // what the client gets when nobody else is there
    std::string word{};  // in that answer's body
    bool falls_back = true;
    bool only_from_cloud = false;  // falls back from a cloud only
    bool passed_on = false;        // to clients of its dialect as it came
};

// How the bodies of those begin.
const std::string kPlanned = R"({"error":{)";

Task<void> begin(const Protocol& protocol, net::Exchange& exchange, std::string_view first) {
    const std::vector<net::HeaderView> headers{{"Content-Type", protocol.stream_type}};
    exchange.begin(200, headers, std::nullopt);
    (void)co_await exchange.flush();
    (void)co_await exchange.write(first);
}

Script says_and_resets(std::string Protocol::* first, std::string Protocol::* second = nullptr) {
    return [=](const Protocol& protocol, net::Exchange& exchange) -> Task<void> {
        const std::string text = protocol.*first + (second ? protocol.*second : std::string{});
        co_await begin(protocol, exchange, text);
        exchange.abort();
    };
}

// Waits for its turn first, with a comment now and then, and does not get it.
Task<void> waits_and_fails(const Protocol& protocol, net::Exchange& exchange) {
    co_await begin(protocol, exchange, {});
    for (int comment = 0; comment < 2 * FirstContent::kEvents; ++comment) {
        (void)co_await exchange.write(protocol.comment);
        for (int turn = 0; turn < 10; ++turn) {
            co_await asio::post(asio::use_awaitable);  // until it was read
        }
    }
    (void)co_await exchange.write(protocol.error_event);
    (void)co_await exchange.end();
}

Script answers(int status, std::string_view type, std::string body, std::string retry = {}) {
    return [=](const Protocol&, net::Exchange& exchange) -> Task<void> {
        std::vector<net::HeaderView> extra;
        if (!retry.empty()) {
            extra.push_back({"Retry-After", retry});
        }
        (void)co_await exchange.respond(status, type, body, extra);
    };
}

Fault refused_with(int status, int seen, std::string word, bool falls_back = true) {
    constexpr std::string_view kJson = "application/json";
    return {
        .name = std::to_string(status),
        .script = answers(status, kJson, R"({"error":{"message":"planned","code":"planned"}})"),
        .status = seen,
        .word = std::move(word),
        .falls_back = falls_back,
        .passed_on = status != 401 && status != 403,
    };
}

std::vector<Fault> faults() {
    std::vector<Fault> all{
        {.name = "resets before head",
         .script = [](const Protocol&, net::Exchange& exchange) -> Task<void> {
             exchange.abort();
             co_return;
         },
         .word = "upstream_failed"},
        {.name = "resets after head",
         .script = [](const Protocol& protocol, net::Exchange& exchange) -> Task<void> {
             co_await begin(protocol, exchange, {});
             exchange.abort();
         },
         .word = "upstream_failed"},
        {.name = "resets after a comment",
         .script = says_and_resets(&Protocol::comment),
         .word = "upstream_failed"},
        {.name = "resets after the role",
         .script = says_and_resets(&Protocol::opening),
         .word = "upstream_failed"},
        refused_with(400, 400, "planned", false),
        refused_with(401, 502, "upstream_auth_error"),
        refused_with(402, 402, "planned"),
        refused_with(403, 502, "upstream_auth_error"),
        refused_with(404, 404, "planned"),
        refused_with(408, 408, "planned"),
        refused_with(413, 413, "planned", false),
        refused_with(422, 422, "planned", false),
        refused_with(500, 500, "planned"),
        refused_with(503, 503, "planned"),
        refused_with(529, 529, "planned"),
        {.name = "429 with a hostile Retry-After",
         .script = answers(429, "application/json", R"({"error":{"code":"slow"}})", "287441"),
         .status = 429,
         .word = "slow",
         .passed_on = true},
        {.name = "a page for browsers",
         .script = answers(502, "text/html", "<html><body>nginx secret</body></html>"),
         .word = "upstream_failed"},
        {.name = "an error inside a 200 stream",
         .script = [](const Protocol& protocol, net::Exchange& exchange) -> Task<void> {
             co_await begin(protocol, exchange, protocol.opening + protocol.error_event);
             (void)co_await exchange.end();
         },
         .word = "planned"},
        {.name = "an error inside a 200 stream behind many comments",
         .script = &waits_and_fails,
         .word = "planned"},
        {.name = "an end before any content",
         .script = [](const Protocol& protocol, net::Exchange& exchange) -> Task<void> {
             co_await begin(protocol, exchange, protocol.opening);
             (void)co_await exchange.end();
         },
         .word = "upstream_broken_answer"},
    };
    for (Fault& fault : all) {
        fault.only_from_cloud = fault.name == "404";
    }
    return all;
}

struct Row {
    const Client& client;
    const Protocol& protocol;
    Fault fault;
};

std::vector<Row> rows() {
    std::vector<Row> all;
    for (const Client& client : clients()) {
        for (const Protocol& protocol : protocols()) {
            for (Fault& fault : faults()) {
                all.push_back({client, protocol, std::move(fault)});
            }
        }
    }
    return all;
}

std::string row_name(const Client& client, const Protocol& protocol, const Fault& fault) {
    return client.name + " of " + protocol.name + ": " + fault.name;
}

class FaultTable : public testing::GatewayFixture {
protected:
    explicit FaultTable(GatewayPolicy policy = {}) : GatewayFixture{policy} {
        answer_ = [this](net::Exchange& exchange) { return answer(exchange); };
    }

    Task<void> answer(net::Exchange& exchange) {
        bodies_.push_back((co_await exchange.read_body(1U << 20U)).value_or(""));
        const auto found = scripts_.find(std::string{exchange.parameter("number")});
        if (found != scripts_.end()) {
            const auto [protocol, script] = found->second;
            co_await script(*protocol, exchange);
        }
    }

    // The next provider's number; nobody is asked twice in a test, so that no breaker plays a part.
    int play(const Protocol& protocol, Script script) {
        scripts_.emplace(std::to_string(++newest_), std::pair{&protocol, std::move(script)});
        return newest_;
    }

    int play_well(const Protocol& protocol) {
        return play(protocol, [](const Protocol& how, net::Exchange& exchange) -> Task<void> {
            co_await begin(how, exchange, how.opening + how.content + how.ending);
            (void)co_await exchange.end();
        });
    }

    std::shared_ptr<Upstream> provider(int number, const Protocol& protocol, Where where) const {
        auto upstream = where == Where::cloud ? cloud(number)
                                              : std::make_shared<Upstream>(*serving(number).local);
        upstream->speaks = protocol.speaks;
        upstream->options.include_usage = true;
        upstream->base_path = fmt::format("/{}{}", number, protocol.base_path);
        return upstream;
    }

    void
    install_chain(std::shared_ptr<const Upstream> first, std::shared_ptr<const Upstream> second) {
        RoutingTable table = known();
        if (first->where == Where::local) {
            table.local = std::move(first);
        } else {
            table.clouds.push_back(std::move(first));
        }
        if (second) {
            table.clouds.push_back(std::move(second));
        }
        install(std::move(table));
    }

    net::FetchRequest stream_request(const Client& client) const {
        net::FetchRequest request = chat();
        request.target = client.path;
        request.body = client.body;
        return request;
    }

    static void
    expect_good(const Client& client, const net::FetchResponse& answer, const std::string& name) {
        EXPECT_EQ(answer.status, 200) << name << answer.body;
        EXPECT_EQ(answer.header("content-type"), client.stream_type) << name;
        EXPECT_NE(answer.body.find("Hello"), std::string::npos) << name << answer.body;
        EXPECT_TRUE(answer.body.ends_with(client.ending)) << name << answer.body;
        EXPECT_NE(answer.body.find(last_word(client)), std::string::npos) << name << answer.body;
        EXPECT_EQ(answer.body.find("error"), std::string::npos) << name << answer.body;
        const bool asked_for_none = client.dialect == Dialect::openai;
        EXPECT_EQ(
            answer.body.find("\"usage\":{") == std::string::npos,
            asked_for_none || client.dialect == Dialect::ollama
        ) << name
          << answer.body;
    }

    static void expect_broken_off(
        const Client& client, const net::FetchResponse& answer, const std::string& name
    ) {
        EXPECT_EQ(answer.status, 200) << name;
        EXPECT_NE(answer.body.find("Hello"), std::string::npos) << name << answer.body;
        EXPECT_NE(answer.body.find(client.error_event), std::string::npos) << name << answer.body;
        EXPECT_EQ(answer.body.find(last_word(client)), std::string::npos) << name << answer.body;
        for (const std::string_view end : {R"("stop")", R"("end_turn")"}) {
            EXPECT_EQ(answer.body.find(end), std::string::npos) << name << answer.body;
        }
    }

    void expect_billed(const std::string& name, std::string_view provider) const {
        ASSERT_FALSE(heard_.all.empty());
        const testing::Heard& heard = heard_.all.back();
        EXPECT_EQ(heard.end, RequestEnd::served) << name;
        EXPECT_EQ(heard.provider, provider) << name;
        EXPECT_EQ(heard.usage.prompt, 3U) << name;
        EXPECT_EQ(heard.usage.completion, 2U) << name;
        EXPECT_FALSE(heard.usage_counted) << name;
        EXPECT_EQ(heard.status, 200) << name;
        EXPECT_TRUE(heard.stream) << name;
    }

    std::map<std::string, std::pair<const Protocol*, Script>> scripts_;
    std::vector<std::string> bodies_;
    int newest_ = 0;
};

TEST_F(FaultTable, NothingWrongIsServedAndBilled) {
    for (const Client& client : clients()) {
        for (const Protocol& protocol : protocols()) {
            const std::string name = client.name + " of " + protocol.name;
            install_chain(provider(play_well(protocol), protocol, Where::local), nullptr);
            run([&]() -> Task<void> {
                const net::FetchResponse answer = co_await ask(stream_request(client));
                expect_good(client, answer, name);
                EXPECT_EQ(answer.header("x-nova-route"), "local");
                EXPECT_EQ(answer.header("x-nova-model"), "m");
                EXPECT_EQ(answer.header("x-request-id"), heard_.all.back().request_id);
            });
            expect_billed(name, "llamacpp");
        }
    }
}

TEST_F(FaultTable, AloneTheFaultIsAnHonestStatusInTheClientsDialect) {
    for (const auto& [client, protocol, fault] : rows()) {
        const std::string name = row_name(client, protocol, fault);
        const int number = play(protocol, fault.script);
        install_chain(provider(number, protocol, Where::cloud), nullptr);
        run([&]() -> Task<void> {
            const net::FetchResponse answer = co_await ask(stream_request(client));
            // What is passed on as it came keeps its status; what is translated has nova's.
            const bool same = protocol.speaks == client.dialect;
            if (same || fault.status < 402) {
                EXPECT_EQ(answer.status, fault.status) << name;
            }
            const bool as_it_came = same && fault.passed_on;
            if (as_it_came || (client.has_words && (same || fault.status < 402))) {
                EXPECT_NE(answer.body.find(fault.word), std::string::npos) << name << answer.body;
            }
            EXPECT_GE(answer.status, 400) << name;
            const std::string& begins = as_it_came ? kPlanned : client.error;
            EXPECT_TRUE(answer.body.starts_with(begins)) << name << answer.body;
            EXPECT_EQ(answer.body.find("nginx secret"), std::string::npos) << name;
            EXPECT_EQ(answer.header("content-type"), "application/json") << name;
            if (answer.status == 429) {
                EXPECT_EQ(answer.header("retry-after"), "120") << name;
            }
        });
        const testing::Heard& heard = heard_.all.back();
        EXPECT_EQ(heard.attempts, 1U) << name;
        EXPECT_FALSE(heard.usage.completion) << name << ": nobody is billed for an error";
        EXPECT_EQ(heard.end, fault.falls_back ? RequestEnd::failed : RequestEnd::served) << name;
    }
}

TEST_F(FaultTable, WithAnotherProviderTheClientSeesOnlyItsAnswer) {
    for (const auto& [client, protocol, fault] : rows()) {
        for (const Where where : {Where::local, Where::cloud}) {
            const std::string name = row_name(client, protocol, fault);
            const int number = play(protocol, fault.script);
            const int next = play_well(protocols().front());
            install_chain(
                provider(number, protocol, where), provider(next, protocols().front(), Where::cloud)
            );
            net::FetchResponse answer;
            run([&]() -> Task<void> { answer = co_await ask(stream_request(client)); });
            const bool local = where == Where::local;
            if (!fault.falls_back || (local && fault.only_from_cloud)) {
                EXPECT_GE(answer.status, 400) << name;
                EXPECT_EQ(heard_.all.back().attempts, 1U) << name;
                continue;
            }
            expect_good(client, answer, name);
            expect_billed(name, fmt::format("c{}", next));
            EXPECT_EQ(heard_.all.back().attempts, 2U) << name;
            const std::string_view route = answer.header("x-nova-route");
            EXPECT_TRUE(route.starts_with(local ? "local(" : fmt::format("c{}(", number)))
                << name << route;
            EXPECT_TRUE(route.ends_with(fmt::format(") -> c{}", next))) << name << route;
        }
    }
}

TEST_F(FaultTable, AProviderThatIsNotThereIsPassedOver) {
    net::HttpServer briefly{io_.get_executor(),  clock_,       log_,      routes_,
                            net::ServerLimits{}, &plain_error, &admit_all};
    const Endpoint nobody =
        briefly.listen({.host = "127.0.0.1"}, net::PortSharing::exclusive).value();
    briefly.stop();
    const Protocol& protocol = protocols().front();
    auto gone = provider(++newest_, protocol, Where::local);
    gone->endpoint = nobody;
    install_chain(gone, provider(play_well(protocol), protocol, Where::cloud));
    const Client& client = clients().front();
    run([&]() -> Task<void> {
        expect_good(client, co_await ask(stream_request(client)), "refuses");
    });
    EXPECT_EQ(told_.refused.size(), 1U);
    EXPECT_EQ(heard_.given_up, std::vector<std::string>{"llamacpp(upstream_failed)"});
}

// After content nobody else may answer: an error event, no end that looks like one, and a bill for
// what streamed.
TEST_F(FaultTable, AfterContentTheStreamEndsWithAnErrorEvent) {
    const std::pair<std::string, Script> ways[] = {
        {"resets", says_and_resets(&Protocol::opening, &Protocol::content)},
        {"reports an error",
         [](const Protocol& protocol, net::Exchange& exchange) -> Task<void> {
             co_await begin(protocol, exchange, protocol.opening + protocol.content);
             co_await settle();  // until the content has left: together they are an error
             co_await settle();
             // Passed through as it came where it is the client's own dialect.
             (void)co_await exchange.write(protocol.error_event);
             exchange.abort();
         }},
        {"ends without an end",
         [](const Protocol& protocol, net::Exchange& exchange) -> Task<void> {
             co_await begin(protocol, exchange, protocol.opening + protocol.content);
             (void)co_await exchange.end();
         }},
    };
    for (const Client& client : clients()) {
        for (const Protocol& protocol : protocols()) {
            for (const auto& [what, script] : ways) {
                const std::string name = client.name + " of " + protocol.name + ": " + what;
                install_chain(
                    provider(play(protocol, script), protocol, Where::local),
                    provider(play_well(protocol), protocol, Where::cloud)
                );
                run([&]() -> Task<void> {
                    expect_broken_off(client, co_await ask(stream_request(client)), name);
                });
                const testing::Heard& heard = heard_.all.back();
                EXPECT_EQ(heard.end, RequestEnd::failed) << name;
                EXPECT_EQ(heard.attempts, 1U) << name;
                EXPECT_TRUE(heard.usage_counted) << name;
                EXPECT_GE(heard.usage.completion.value_or(0), 1U) << name;
            }
        }
    }
}

TEST_F(FaultTable, AnAnswerInTheOtherShapeIsPutTogetherAnew) {
    const Script whole = [](const Protocol& how, net::Exchange& exchange) -> Task<void> {
        (void)co_await exchange.respond(200, "application/json", how.whole);
    };
    for (const Client& client : clients()) {
        for (const Protocol& protocol : protocols()) {
            const std::string name = client.name + " of " + protocol.name;
            install_chain(provider(play(protocol, whole), protocol, Where::local), nullptr);
            run([&]() -> Task<void> {
                expect_good(client, co_await ask(stream_request(client)), name);
            });
            expect_billed(name, "llamacpp");
            install_chain(provider(play_well(protocol), protocol, Where::local), nullptr);
            run([&]() -> Task<void> {
                net::FetchRequest request = stream_request(client);
                request.body = client.whole_body;
                const net::FetchResponse answer = co_await ask(std::move(request));
                EXPECT_EQ(answer.header("content-type"), "application/json") << name;
                EXPECT_NE(answer.body.find("\"Hello\""), std::string::npos) << name << answer.body;
                EXPECT_NE(answer.body.find(client.whole), std::string::npos) << name << answer.body;
            });
            EXPECT_EQ(heard_.all.back().usage.completion, 2U) << name;
        }
    }
}

class Silence : public FaultTable {
protected:
    Silence() : FaultTable{impatient()} {}

    static GatewayPolicy impatient() {
        GatewayPolicy policy;
        policy.first_content_timeout = 2s;
        return policy;
    }

    Task<void> stay_until_gone(net::Exchange& exchange, bool trickles) {
        bool gone = false;
        exchange.watch_client([&gone] { gone = true; });
        const TimePoint end = clock_.now() + testing::kPatience;
        while (!gone && clock_.now() < end) {
            co_await clock_.sleep_for(5ms);
            if (trickles && !co_await exchange.write(" ")) {
                break;
            }
        }
        EXPECT_TRUE(gone || trickles) << "its connection was never closed";
        exchange.abort();
    }

    Task<void> trickle(const Protocol& protocol, net::Exchange& exchange) {
        co_await begin(protocol, exchange, "data: {");
        co_await stay_until_gone(exchange, true);
    }
};

// A stall before the head, and bytes that never make an event.
TEST_F(Silence, OfAProviderEndsInTimeForTheNextOne) {
    const Protocol& protocol = protocols().front();
    const auto stalls = [this](const Protocol&, net::Exchange& exchange) {
        return stay_until_gone(exchange, false);
    };
    const auto trickles = [this](const Protocol& how, net::Exchange& exchange) {
        return trickle(how, exchange);
    };
    for (const auto& script : {Script{stalls}, Script{trickles}}) {
        std::vector<std::shared_ptr<std::optional<net::FetchResponse>>> answers;
        install_chain(provider(play(protocol, script), protocol, Where::local), nullptr);
        run([&]() -> Task<void> {
            // All clients wait at the same time.
            for (const Client& client : clients()) {
                answers.push_back(ask_aside(stream_request(client)));
            }
            for (std::size_t i = 0; i < answers.size(); ++i) {
                EXPECT_TRUE(co_await until([&] { return answers[i]->has_value(); }));
                const net::FetchResponse& answer = answers[i]->value();
                EXPECT_EQ(answer.status, 504) << answer.body;
                EXPECT_TRUE(answer.body.starts_with(clients()[i].error)) << answer.body;
            }
        });
        answers.clear();
        install_chain(
            provider(play(protocol, script), protocol, Where::local),
            provider(play_well(protocol), protocol, Where::cloud)
        );
        run([&]() -> Task<void> {
            for (const Client& client : clients()) {
                answers.push_back(ask_aside(stream_request(client)));
            }
            for (std::size_t i = 0; i < answers.size(); ++i) {
                EXPECT_TRUE(co_await until([&] { return answers[i]->has_value(); }));
                expect_good(clients()[i], answers[i]->value(), "silence");
            }
        });
    }
}

}  // namespace
}  // namespace nova::gateway

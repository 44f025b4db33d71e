// Pulls against a server that answers as Ollama does, well and badly.
#include "app/ollama_weights.hpp"
#include "core/random.hpp"
#include "net/test_server.hpp"
#include "runtime/process_driver.hpp"

namespace nova::app {
namespace {

class OllamaWeightsTest : public ::testing::Test {
protected:
    OllamaWeightsTest() : server_{io_} {
        server_.routes.add("GET", "/api/tags", [this](net::Exchange& exchange) -> Task<void> {
            ignore(co_await exchange.respond(200, "application/json", tags_), "a test");
        });
        server_.routes.add("POST", "/api/pull", [this](net::Exchange& e) { return pull(e); });
    }

    Task<void> pull(net::Exchange& exchange) {
        const auto body = co_await exchange.read_body(4096);
        asked_.push_back(body.value_or(""));
        if (status_ != 200) {
            ignore(co_await exchange.respond(status_, "application/json", lines_), "a test");
            co_return;
        }
        exchange.begin(200, {}, std::nullopt);
        ignore(co_await exchange.write(lines_), "a test");
        bool gone = false;
        exchange.watch_client([&gone] { gone = true; });
        while (stalls_ && !gone) {
            co_await clock_.sleep_for(Milliseconds{5});
        }
        exchange.unwatch_client();
        ignore(co_await exchange.end(), "a test");
    }

    Result<Bytes> ensure(const std::string& name) {
        Result<Bytes> outcome = fail(ErrorCode::internal, "not run");
        net::testing::run_on(io_, [&]() -> Task<void> {
            const Endpoint at = server_.start();
            runtime::ProcessDriver driver{io_.get_executor(), clock_, {}};
            PrepareInstance helper{
                {.executor = io_.get_executor(),
                 .clock = clock_,
                 .log = log_,
                 .drivers = [&driver](runtime::RuntimeKind) { return &driver; },
                 .kinds = {runtime::RuntimeKind::process},
                 .planner = {},
                 .install = InstallId{"test"}}
            };
            OllamaWeights weights{
                {.clock = clock_,
                 .store = "/nonexistent",
                 .running = [at] { return at; },
                 .helper = helper,
                 .stall = std::chrono::seconds{1},
                 .attempts = 2,
                 .pause = Milliseconds{1}}
            };
            outcome = co_await weights.ensure(name, [this](const runtime::Progress& progress) {
                progress_.push_back(progress);
            });
            co_await helper.leave();
            co_await server_.stop();
        });
        return outcome;
    }

    asio::io_context io_;
    SystemClock clock_;
    Log log_{Log::Sink::none, LogLevel::error};
    net::testing::Server server_;
    std::string tags_ = R"({"models":[{"name":"there:latest"}]})";
    std::string lines_ = "{\"status\":\"pulling manifest\"}\n";
    int status_ = 200;
    bool stalls_ = false;
    std::vector<std::string> asked_;
    std::vector<runtime::Progress> progress_;
};

TEST_F(OllamaWeightsTest, PullsWhatItDoesNotHaveAndSaysHowFarItIs) {
    lines_ += "{\"status\":\"pulling a\",\"digest\":\"sha256:a\",\"total\":10,\"completed\":10}\n"
              "{\"status\":\"pulling b\",\"digest\":\"sha256:b\",\"total\":5,\"completed\":2}\n"
              "{\"status\":\"success\"}\n";
    const auto size = ensure("127.0.0.1:5000/library/m:1b");
    EXPECT_TRUE(size) << (size ? "" : size.error().message);
    ASSERT_EQ(asked_.size(), 1U);
    EXPECT_TRUE(asked_[0].contains("\"insecure\":true")) << asked_[0];
    ASSERT_FALSE(progress_.empty());
    EXPECT_EQ(progress_.back().done, Bytes{12});
    EXPECT_EQ(progress_.back().total, Bytes{15});
}

TEST_F(OllamaWeightsTest, DoesNotPullWhatIsThere) {
    EXPECT_TRUE(ensure("There"));
    EXPECT_TRUE(asked_.empty());
}

TEST_F(OllamaWeightsTest, SuccessIsOnlyWhatALineSays) {
    lines_ += "{\"error\":\"pull model manifest: file does not exist\"}\n";
    EXPECT_EQ(ensure("absent").error().code, ErrorCode::not_found);
    EXPECT_EQ(asked_.size(), 1U);
    EXPECT_FALSE(asked_[0].contains("insecure"));
}

TEST_F(OllamaWeightsTest, AStreamThatJustEndsIsTriedAgain) {
    EXPECT_EQ(ensure("m").error().code, ErrorCode::upstream_failed);
    EXPECT_EQ(asked_.size(), 2U);
}

TEST_F(OllamaWeightsTest, FindsAStall) {
    stalls_ = true;
    const auto stalled = ensure("m");
    EXPECT_EQ(stalled.error().code, ErrorCode::timeout) << stalled.error().message;
    EXPECT_TRUE(stalled.error().remedy.contains("kept"));
    EXPECT_EQ(asked_.size(), 2U);
}

TEST_F(OllamaWeightsTest, ReadsARefusal) {
    status_ = 500;
    lines_ = R"({"error":"write /x: no space left on device"})";
    EXPECT_EQ(ensure("m").error().code, ErrorCode::exhausted);
    EXPECT_EQ(asked_.size(), 1U);
}

}  // namespace
}  // namespace nova::app

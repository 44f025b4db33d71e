// Addresses and errors as the command line reads them.
#include <gtest/gtest.h>

#include "app/control_client.hpp"

namespace nova::app {
namespace {

TEST(ClientEndpoint, TakesAWildcardForItsLoopback) {
    const std::pair<std::string, std::string> rows[] = {
        {"127.0.0.1:8001", "127.0.0.1:8001"},
        {"0.0.0.0:8001", "127.0.0.1:8001"},
        {"[::]:8001", "[::1]:8001"},
        {"http://localhost:9", "localhost:9"},
    };
    for (const auto& [text, wanted] : rows) {
        const auto endpoint = client_endpoint(text);
        ASSERT_TRUE(endpoint) << text;
        EXPECT_EQ(endpoint->text(), wanted);
    }
    EXPECT_TRUE(client_endpoint("https://nova.example")->tls);
    EXPECT_FALSE(client_endpoint("http://"));
}

TEST(ErrorOfAnswer, ReadsBothShapesAndSurvivesNeither) {
    const Error control =
        error_of_answer(404, R"({"detail":"No.","code":"engine_not_found","remedy":"Do."})");
    EXPECT_EQ(control.code, ErrorCode::not_found);
    EXPECT_EQ(control.word, "engine_not_found");
    EXPECT_EQ(control.message, "No.");
    EXPECT_EQ(control.remedy, "Do.");
    const Error gateway = error_of_answer(
        503, R"({"error":{"message":"Loading.","type":"x","param":null,"code":"unavailable"}})"
    );
    EXPECT_EQ(gateway.code, ErrorCode::unavailable);
    EXPECT_EQ(gateway.message, "Loading.");
    for (const char* body : {"", "<html>", "[]", "{}", R"({"error":"text"})"}) {
        const Error error = error_of_answer(401, body);
        EXPECT_EQ(error.code, ErrorCode::unauthorized) << body;
        EXPECT_FALSE(error.message.empty()) << body;
    }
    EXPECT_EQ(error_of_answer(418, "").code, ErrorCode::upstream_failed);
}

TEST(ControlClient, RefusesToSendTheSecretInClearToAnotherMachine) {
    ClientOptions options;
    options.url = "http://192.0.2.1:8888";
    const auto refused = ControlClient::open(options, {{"NOVA_ADMIN_SECRET", "b7e0d3f2a9c84410"}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::invalid_argument);
    options.insecure = true;
    EXPECT_TRUE(ControlClient::open(options, {{"NOVA_ADMIN_SECRET", "b7e0d3f2a9c84410"}}));
    EXPECT_EQ(
        ControlClient::open(options, {{"HOME", "/nowhere"}}).error().code, ErrorCode::unauthorized
    );
}

}  // namespace
}  // namespace nova::app

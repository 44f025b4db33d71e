#include <gtest/gtest.h>

#include "gateway/upstream_request.hpp"

namespace nova::gateway {
namespace {

Upstream upstream() {
    Upstream value;
    value.provider = "custom";
    value.endpoint = {.host = "127.0.0.1", .port = 8000};
    value.base_path = "/api/v1";
    return value;
}

TEST(UpstreamRequest, TakesTheAllowListAndLeavesCredentialsAndHopsBehind) {
    net::RequestHead client;
    client.target = "/v1/chat/completions?x=1&y=%2F";
    for (const auto& [name, value] : {
             std::pair{"Authorization", "Bearer client"},
             std::pair{"Cookie", "a=b"},
             std::pair{"Connection", "close, x-evil"},
             std::pair{"x-evil", "1"},
             std::pair{"X-Forwarded-For", "1.2.3.4"},
             std::pair{"Content-Type", "application/json; charset=utf-8"},
             std::pair{"traceparent", "00-abc"},
             std::pair{"Content-Length", "999"},
         }) {
        client.headers.add(name, value);
    }
    EXPECT_EQ(
        upstream_request_head(
            upstream(), {.path = "/chat/completions", .client = client, .body_bytes = 12}
        ),
        "POST /api/v1/chat/completions?x=1&y=%2F HTTP/1.1\r\n"
        "Host: 127.0.0.1:8000\r\n"
        "Content-Type: application/json; charset=utf-8\r\n"
        "traceparent: 00-abc\r\n"
        "Accept-Encoding: identity\r\n"
        "Content-Length: 12\r\n"
        "\r\n"
    );
}

TEST(UpstreamRequest, SendsTheUpstreamsOwnCredentials) {
    Upstream value = upstream();
    value.auth_header_name = "X-Api-Key";
    value.auth_header_value = Secret{"engine-key"};
    net::RequestHead client;
    client.target = "/v1/embeddings";
    const std::string head =
        upstream_request_head(value, {.path = "/embeddings", .client = client});
    EXPECT_NE(head.find("X-Api-Key: engine-key\r\n"), std::string::npos);
    EXPECT_NE(head.find("Content-Type: application/json\r\n"), std::string::npos);
}

TEST(UpstreamRequest, AKeyWithALineBreakNeverGetsOut) {
    Upstream value = upstream();
    value.auth_header_name = "Authorization";
    value.auth_header_value = Secret{"x\r\nX-Injected: 1"};
    net::RequestHead client;
    client.target = "/v1/embeddings";
    const std::string head =
        upstream_request_head(value, {.path = "/embeddings", .client = client});
    EXPECT_EQ(head.find("X-Injected"), std::string::npos);
}

TEST(UpstreamRequest, KeepsWhatDescribesTheClientsBodyFromATranslation) {
    Upstream cloud = upstream();
    cloud.endpoint = {.host = "api.example.org", .port = 443, .tls = true};
    cloud.speaks = dialect::Dialect::anthropic;
    cloud.headers = {{"anthropic-version", "2023-06-01"}};
    net::RequestHead client;
    client.target = "/v1/messages?beta=true";
    client.headers.add("Accept", "text/event-stream");
    client.headers.add("anthropic-version", "2024-01-01");
    client.headers.add("anthropic-beta", "one");
    UpstreamRequest request{.path = "/messages", .client = client, .request_id = "r-1"};
    EXPECT_EQ(
        upstream_request_head(cloud, request), "POST /api/v1/messages?beta=true HTTP/1.1\r\n"
                                               "Host: api.example.org\r\n"
                                               "Accept: text/event-stream\r\n"
                                               "Content-Type: application/json\r\n"
                                               "X-Request-Id: r-1\r\n"
                                               "anthropic-version: 2024-01-01\r\n"
                                               "anthropic-beta: one\r\n"
                                               "Accept-Encoding: identity\r\n"
                                               "Content-Length: 0\r\n"
                                               "\r\n"
    );
    request.translated = true;
    EXPECT_EQ(
        upstream_request_head(cloud, request), "POST /api/v1/messages HTTP/1.1\r\n"
                                               "Host: api.example.org\r\n"
                                               "Content-Type: application/json\r\n"
                                               "X-Request-Id: r-1\r\n"
                                               "anthropic-version: 2023-06-01\r\n"
                                               "Accept-Encoding: identity\r\n"
                                               "Content-Length: 0\r\n"
                                               "\r\n"
    );
}

TEST(AnswerHeaders, ShowsClientsWhatTheyMaySeeAndWhereItRan) {
    net::ResponseHead head;
    head.status = 200;
    for (const auto& [name, value] : {
             std::pair{"content-type", "text/event-stream"},
             std::pair{"Server", "engine/1"},
             std::pair{"Date", "today"},
             std::pair{"Set-Cookie", "a=b"},
             std::pair{"X-RateLimit-Remaining", "3"},
             std::pair{"Keep-Alive", "timeout=5"},
             std::pair{"Content-Length", "42"},
         }) {
        head.headers.add(name, value);
    }
    const net::HeaderView own[] = {{"X-Nova-Provider", "custom"}};
    const AnswerHeaders headers{own, head};
    std::string names;
    for (const auto& field : headers.view()) {
        names += std::string{field.name} + "=" + std::string{field.value} + ";";
    }
    EXPECT_EQ(
        names, "content-type=text/event-stream;X-RateLimit-Remaining=3;X-Nova-Provider=custom;"
    );
    EXPECT_EQ(announced_length(head), 42U);
}

TEST(AnswerHeaders, AChunkedAnswerHasNoLengthWhateverItClaims) {
    net::ResponseHead head;
    head.headers.add("Transfer-Encoding", "chunked");
    head.headers.add("Content-Length", "42");
    EXPECT_FALSE(announced_length(head));
}

}  // namespace
}  // namespace nova::gateway

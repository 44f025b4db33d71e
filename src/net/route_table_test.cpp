// Patterns, decoding, and the paths that match nothing.
#include <gtest/gtest.h>

#include "net/route_table.hpp"

namespace nova::net {
namespace {

Task<void> nothing(Exchange& /*exchange*/) {
    co_return;
}

RouteTable table() {
    RouteTable routes;
    routes.add("GET", "/", &nothing);
    routes.add("GET", "/v1/models", &nothing);
    routes.add("GET", "/v1/models/{id*}", &nothing);
    routes.add("POST", "/v1/models", &nothing);
    routes.add("GET", "/slots/{slot}/logs", &nothing);
    routes.add("GET", "/slots/{slot}", &nothing);
    routes.add("DELETE", "/slots/{slot}", &nothing);
    routes.add("GET", "/slots/all", &nothing);
    return routes;
}

// "name=value," of what matched; the error's word otherwise.
std::string find(const RouteTable& routes, std::string_view method, std::string_view path) {
    const auto match = routes.find(method, path);
    if (match.handler == nullptr) {
        return std::string{match.error.name()};
    }
    std::string out = "ok";
    for (const auto& [name, value] : match.parameters) {
        out.append(" ").append(name).append("=").append(value);
    }
    return out;
}

struct Row {
    std::string_view method;
    std::string_view path;
    std::string_view result;
};

constexpr Row kRows[] = {
    {"GET", "/", "ok"},
    {"GET", "/v1/models", "ok"},
    {"HEAD", "/v1/models", "ok"},
    {"GET", "/v1/%6dodels", "ok"},
    {"GET", "/v1/models/", "not_found"},
    {"GET", "/v1/models/a", "ok id=a"},
    {"GET", "/v1/models/hf.co/org/x:Q4_K_M", "ok id=hf.co/org/x:Q4_K_M"},
    {"GET", "/v1/models/org%2Fx%20y", "ok id=org/x y"},
    {"GET", "/v1/models/vllm//models/gemma", "ok id=vllm//models/gemma"},
    {"GET", "/v1/models/a/", "ok id=a/"},
    {"GET", "/v1/models/a..b", "ok id=a..b"},
    {"GET", "/v1/models/100%25", "ok id=100%"},
    {"GET", "/slots/local", "ok slot=local"},
    {"GET", "/slots/all", "ok"},
    {"GET", "/slots/local/logs", "ok slot=local"},
    {"GET", "/slots/", "not_found"},
    {"GET", "/slots//logs", "not_found"},
    {"DELETE", "/slots/all", "ok slot=all"},
    {"PUT", "/v1/models", "method_not_allowed"},
    {"DELETE", "/v1/models", "method_not_allowed"},
    {"get", "/v1/models", "method_not_allowed"},
    {"POST", "/slots/local", "method_not_allowed"},
    {"GET", "/v2", "not_found"},
    {"GET", "//v1/models", "not_found"},
    {"GET", "/v1//models", "not_found"},
    {"OPTIONS", "*", "not_found"},
    // Dot segments, in all encodings, and what decoders behind us might make of them.
    {"GET", "/v1/./models", "not_found"},
    {"GET", "/v1/x/../models", "not_found"},
    {"GET", "/v1/models/..", "not_found"},
    {"GET", "/v1/models/../slots", "not_found"},
    {"GET", "/v1/models/%2e%2e/slots", "not_found"},
    {"GET", "/v1/models/.%2E/slots", "not_found"},
    {"GET", "/v1/models/%2e", "not_found"},
    {"GET", "/v1/models/a%2f..%2fb", "not_found"},
    {"GET", "/v1/models/a%2F%2E%2E%2Fb", "not_found"},
    {"GET", "/v1/models/..%5cslots", "not_found"},
    {"GET", "/v1/models/..\\slots", "not_found"},
    {"GET", "/v1/models/%252e%252e/slots", "not_found"},
    {"GET", "/v1/models/%25252e%25252e", "not_found"},
    {"GET", "/v1/models/%c0%ae%c0%ae/x", "not_found"},
    {"GET", "/slots/..", "not_found"},
    {"GET", "/v1/models/a%00", "not_found"},
    {"GET", "/v1/models/a%0d%0aX:y", "not_found"},
    {"GET", "/v1/models/a%", "not_found"},
    {"GET", "/v1/models/a%4", "not_found"},
    {"GET", "/v1/models/a%zz", "not_found"},
    // A pattern is no path.
    {"GET", "/slots/{slot}", "ok slot={slot}"},
};

TEST(RouteTable, FindsTheHandlerOrSaysWhyNot) {
    const RouteTable routes = table();
    for (const Row& row : kRows) {
        EXPECT_EQ(find(routes, row.method, row.path), row.result) << row.method << " " << row.path;
    }
}

TEST(RouteTable, NamesTheMethodsAPathAnswers) {
    const auto match = table().find("PUT", "/v1/models");
    EXPECT_EQ(match.allow, "GET, HEAD, POST");
    EXPECT_EQ(match.error.code, ErrorCode::invalid_argument);
    EXPECT_TRUE(table().find("GET", "/v1/models").allow.empty());
}

TEST(RouteTable, FallsBackOnlyWhereNoPatternMatches) {
    RouteTable routes = table();
    routes.set_fallback(&nothing);
    EXPECT_EQ(find(routes, "GET", "/assets/app.js"), "ok");
    EXPECT_EQ(find(routes, "PUT", "/v1/models"), "method_not_allowed");
    EXPECT_EQ(find(routes, "GET", "/assets/../secret"), "not_found");
    EXPECT_EQ(find(routes, "GET", "/assets/%2e%2e/secret"), "not_found");
}

TEST(RouteTable, ListsItsRoutes) {
    const RouteTable routes = table();
    const auto entries = routes.entries();
    ASSERT_EQ(entries.size(), 8U);
    EXPECT_EQ(entries[2].method, "GET");
    EXPECT_EQ(entries[2].pattern, "/v1/models/{id*}");
}

}  // namespace
}  // namespace nova::net

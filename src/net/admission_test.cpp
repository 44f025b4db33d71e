// Host and Origin rules, row by row.
#include <gtest/gtest.h>

#include "net/admission.hpp"

namespace nova::net {
namespace {

const Endpoint kLoopback{.host = "127.0.0.1", .port = 8001, .tls = false};
const Endpoint kEverywhere{.host = "0.0.0.0", .port = 8001, .tls = false};

struct Request {
    std::string_view host{};    // no data: the field is missing
    std::string_view origin{};  // likewise
    int minor_version = 1;
};

std::optional<Error> ask(const AdmissionRules& rules, const Request& request) {
    RequestHead head;
    head.method = "POST";
    head.target = "/";
    head.minor_version = request.minor_version;
    if (request.host.data() != nullptr) {
        head.headers.add("Host", request.host);
    }
    if (request.origin.data() != nullptr) {
        head.headers.add("origin", request.origin);
    }
    return admit(rules, head);
}

struct HostRow {
    std::string_view host;
    bool on_loopback;
    bool everywhere;
};

TEST(Admission, AdmitsOnlyHostsThatNameTheListener) {
    constexpr HostRow kRows[] = {
        {"localhost", true, true},
        {"LocalHost:8001", true, true},
        {"localhost.:8001", true, true},
        {"127.0.0.1:8001", true, true},
        {"127.1.2.3", true, true},
        {"[::1]:9", true, true},
        {"[::ffff:127.0.0.1]", true, true},
        {"nova.lan:8001", true, true},  // configured below
        {"192.168.1.7:8001", false, true},
        {"[fe80::1]:8001", false, true},
        {"evil.example", false, false},
        {"evil.example:8001", false, false},
        {"localhost.evil.example", false, false},
        {"127.0.0.1.evil.example", false, false},
        {"localhost@evil.example", false, false},
        {"localhost:80x", false, false},
        {"localhost:99999", false, false},
        {"[::1", false, false},
        {"", false, false},
        {"2130706433", false, false},  // 127.0.0.1 as one number
    };
    for (const HostRow& row : kRows) {
        const std::vector<std::string> hosts{"Nova.lan"};
        const auto near = ask({.listen = kLoopback, .hosts = hosts, .origins = {}}, {row.host, {}});
        const auto far =
            ask({.listen = kEverywhere, .hosts = hosts, .origins = {}}, {row.host, {}});
        EXPECT_EQ(near.has_value(), !row.on_loopback) << row.host;
        EXPECT_EQ(far.has_value(), !row.everywhere) << row.host;
        if (near) {
            EXPECT_EQ(near->code, ErrorCode::forbidden);
            EXPECT_EQ(near->word, "host_not_allowed");
            EXPECT_FALSE(near->remedy.empty());
        }
    }
}

TEST(Admission, TakesAnHttp10RequestWithoutHost) {
    const AdmissionRules rules{.listen = kLoopback, .hosts = {}, .origins = {}};
    EXPECT_FALSE(ask(rules, {.host = {}, .origin = {}, .minor_version = 0}));
    EXPECT_TRUE(ask(rules, {.host = {}, .origin = {}, .minor_version = 1}));
    EXPECT_TRUE(ask(rules, {.host = "evil.example", .origin = {}, .minor_version = 0}));
}

TEST(Admission, RefusesPagesOfOtherOrigins) {
    const AdmissionRules rules{
        .listen = kLoopback, .hosts = {}, .origins = {"https://chat.example.org"}
    };

    struct Row {
        std::string_view origin;
        bool admitted;
    };

    constexpr Row kRows[] = {
        {"http://127.0.0.1:8001", true},
        {"HTTP://127.0.0.1:8001", true},
        {"https://127.0.0.1:8001", true},  // a TLS proxy in front
        {"https://chat.example.org", true},
        {"http://chat.example.org", false},
        {"http://127.0.0.1:3000", false},  // another program's page on this machine
        {"http://localhost:8001", false},  // equality, not likeness: the Host is 127.0.0.1
        {"https://evil.example", false},
        {"null", false},
        {"", false},
        {"http://", false},
        {"http://127.0.0.1:8001.evil.example", false},
    };
    for (const Row& row : kRows) {
        const auto refused = ask(rules, {.host = "127.0.0.1:8001", .origin = row.origin});
        EXPECT_EQ(refused.has_value(), !row.admitted) << row.origin;
        if (refused) {
            EXPECT_EQ(refused->word, "origin_not_allowed") << row.origin;
        }
    }
}

TEST(Admission, SeesThatARequestCameThroughAProxy) {
    for (const std::string_view name : {"Forwarded", "x-forwarded-for", "Via"}) {
        Headers headers;
        EXPECT_FALSE(came_through_proxy(headers));
        headers.add(name, "1.2.3.4");
        EXPECT_TRUE(came_through_proxy(headers)) << name;
    }
}

}  // namespace
}  // namespace nova::net

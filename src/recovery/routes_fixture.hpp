// For tests: requests to routes through their table, without a connection.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "core/clock.hpp"
#include "core/run_task.hpp"
#include "net/route_table.hpp"
#include "recovery/admin_auth.hpp"
#include "recovery/fake_exchange.hpp"

namespace nova::recovery {

constexpr std::string_view kSecret = "b7e0d3f2a9c84410";

// The test adds its routes to table_.
class RoutesFixture : public testing::Test {
protected:
    // Sends a request with the secret. 404 where there is no such route.
    FakeExchange& call(
        const std::string& method, const std::string& path, const std::string& body = {},
        std::string_view secret = kSecret, const std::string& base = "/api/v1/recovery"
    ) {
        exchanges_.push_back(std::make_unique<FakeExchange>(method, base + path));
        FakeExchange& exchange = *exchanges_.back();
        if (!secret.empty()) {
            exchange.add_header("X-Admin-Secret", secret);
        }
        exchange.body = body;
        const auto match = table_.find(method, exchange.request().path());
        if (match.handler == nullptr) {
            exchange.status = 404;
            return exchange;
        }
        exchange.parameters = match.parameters;
        run((*match.handler)(exchange));
        return exchange;
    }

    void run(Task<void> task) { run_task(context_, std::move(task)); }

    asio::io_context context_;
    VirtualClock clock_;
    AdminAuth auth_{Secret{std::string{kSecret}}, clock_};
    net::RouteTable table_;
    std::vector<std::unique_ptr<FakeExchange>> exchanges_;
};

}  // namespace nova::recovery

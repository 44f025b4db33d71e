// For tests: the gateway's fixture with engines that keep what they were asked, and say what they
// are told to.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "gateway/gateway_fixture.hpp"

namespace nova::gateway::testing {

// Engines keep what they were asked and answer what they are told to.
class RelayFixture : public GatewayFixture {
protected:
    explicit RelayFixture(GatewayPolicy policy = {}, Gatekeeper* gatekeeper = nullptr)
        : GatewayFixture{policy, gatekeeper} {
        answer_ = [this](net::Exchange& exchange) -> Task<void> {
            target_ = exchange.request().target;
            request_id_ = exchange.request().headers.find("X-Request-Id");
            asked_ = (co_await exchange.read_body(1U << 20U)).value_or("");
            const auto found = says_.find(std::string{exchange.parameter("number")});
            const auto& [type, body] = found == says_.end() ? json_ : found->second;
            (void)co_await exchange.respond(200, type, body);
        };
    }

    void says(int number, std::string type, std::string body) {
        says_[std::to_string(number)] = {std::move(type), std::move(body)};
    }

    net::FetchRequest post(std::string target, std::string body) const {
        net::FetchRequest request = chat();
        request.target = std::move(target);
        request.body = std::move(body);
        return request;
    }

    RoutingTable only(std::shared_ptr<const Upstream> upstream) const {
        RoutingTable table = known();
        table.clouds.push_back(std::move(upstream));
        return table;
    }

    std::shared_ptr<Upstream> ollama(int number) const {
        auto upstream = std::make_shared<Upstream>(*serving(number).local);
        upstream->provider = "ollama";
        upstream->speaks = dialect::Dialect::ollama;
        upstream->base_path = fmt::format("/{}", number);
        return upstream;
    }

    RoutingTable on_ollama(int number) const {
        RoutingTable table = known();
        table.local = ollama(number);
        return table;
    }

    const Heard& last() const { return heard_.all.back(); }

    std::pair<std::string, std::string> json_{"application/json", R"({"model":"m","n":1.0})"};
    std::map<std::string, std::pair<std::string, std::string>> says_;
    std::string target_;
    std::string request_id_;
    std::string asked_;
};

}  // namespace nova::gateway::testing

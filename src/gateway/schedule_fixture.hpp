// For tests: clients by the dozen, some of whom leave before they have their answer.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gateway/gateway_fixture.hpp"

namespace nova::gateway::testing {

// Each client has a connection of its own and keeps what it reads.
class ScheduleFixture : public GatewayFixture {
protected:
    using GatewayFixture::GatewayFixture;

    struct Client {
        std::unique_ptr<net::Connection> connection;
        bool left = false;
        bool done = false;
        std::string answer{};
    };

    Task<void> client(std::shared_ptr<Client> self, std::string text) {
        auto connection = co_await net::dial(gateway_, clock_, Deadline::in(clock_, 5s));
        if (connection && !self->left) {
            self->connection = std::move(*connection);
            self->connection->expire_at(clock_.now() + kPatience);
            bool open = (co_await self->connection->write(text)).has_value();
            char buffer[4096];
            while (open) {
                const auto got = co_await self->connection->read_some(buffer);
                open = got && *got > 0;
                self->answer.append(buffer, open ? *got : 0);
            }
        }
        self->done = true;
    }

    // A request for a chat; `headers` are whole lines.
    void client_asks(std::string_view body, std::string_view headers = {}) {
        auto self = std::make_shared<Client>();
        clients_.push_back(self);
        std::string text = fmt::format(
            "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}"
            "Content-Length: {}\r\n\r\n{}",
            headers, body.size(), body
        );
        tasks_.spawn("client", client(std::move(self), std::move(text)));
    }

    // The oldest that still waits for something.
    void one_leaves() {
        const auto it = std::ranges::find_if(clients_, [](const auto& one) {
            return one->connection && !one->done;
        });
        if (it != clients_.end()) {
            (*it)->left = true;
            (*it)->connection->close();
        }
    }

    bool all_done() const {
        return std::ranges::all_of(clients_, [](const auto& one) { return one->done; });
    }

    std::vector<std::shared_ptr<Client>> clients_;
};

}  // namespace nova::gateway::testing

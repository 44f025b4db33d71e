// A request and its answer without a connection, for tests of handlers.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "net/exchange.hpp"
#include "recovery/dto.hpp"

namespace nova::recovery {

using Fields = std::span<const net::HeaderView>;

class FakeExchange final : public net::Exchange {
public:
    FakeExchange(std::string method, std::string target)
        : method_{std::move(method)}, target_{std::move(target)} {
        head_.method = method_;
        head_.target = target_;
        peer_ = {.address = "127.0.0.1", .port = 5000, .loopback = true};
    }

    void add_header(std::string_view name, std::string_view value) {
        head_.headers.add(name, value);
    }

    const net::RequestHead& request() const override { return head_; }

    const net::Peer& peer() const override { return peer_; }

    std::string_view parameter(std::string_view name) const override {
        for (const auto& [key, value] : parameters) {
            if (key == name) {
                return value;
            }
        }
        return {};
    }

    Task<Result<std::string>> read_body(std::size_t limit) override {
        body_read = true;
        if (body.size() > limit) {
            co_return fail(ErrorCode::too_large, "The body is too large.");
        }
        co_return body;
    }

    Task<Result<void>>
    respond(int with_status, std::string_view, std::string_view text, Fields) override {
        status = with_status;
        sent = text;
        co_return Result<void>{};
    }

    Task<Result<void>> respond_error(const Error& error) override {
        status = policy(error.code).http_status;
        retry_after = error.retry_after;
        sent = render_error(error);
        co_return Result<void>{};
    }

    void begin(int with_status, Fields, std::optional<std::uint64_t>) override {
        status = with_status;
    }

    Task<Result<void>> write(std::string_view bytes) override {
        if (aborted) {
            co_return fail(ErrorCode::cancelled, "The connection was cut.");
        }
        sent += bytes;
        co_return Result<void>{};
    }

    Task<Result<void>> flush() override { co_return Result<void>{}; }

    Task<Result<void>> end() override { co_return Result<void>{}; }

    void abort() override { aborted = true; }

    bool started() const override { return status != 0; }

    void watch_client(std::move_only_function<void()> gone) override { gone_ = std::move(gone); }

    void unwatch_client() override { gone_ = nullptr; }

    void client_leaves() {
        if (gone_) {
            gone_();
        }
    }

    bool watched() const { return static_cast<bool>(gone_); }

    // What the test gives and looks at.
    std::string body;
    std::vector<std::pair<std::string, std::string>> parameters;
    int status = 0;
    std::string sent;
    std::optional<std::chrono::seconds> retry_after;
    bool aborted = false;
    bool body_read = false;

private:
    std::string method_;
    std::string target_;
    net::RequestHead head_;
    net::Peer peer_;
    std::move_only_function<void()> gone_;
};

}  // namespace nova::recovery

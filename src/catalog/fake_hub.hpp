// A hub and its storage host on loopback that answer well or badly, as a test tells them.
#pragma once

#include <deque>
#include <functional>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "catalog/web_access.hpp"
#include "net/sha256.hpp"
#include "net/test_server.hpp"

namespace nova::catalog::testing {

inline std::string sha256_of(std::string_view bytes) {
    net::Sha256 hash;
    hash.update(bytes);
    return hash.finish();
}

// What one answer for a file does instead of the right thing.
struct Fault {
    int status = 0;  // instead of 200, with these headers and an empty body
    std::vector<std::pair<std::string, std::string>> headers{};
    std::uint64_t cut_at = 0;    // the connection ends after that many bytes of the file
    bool unsized = false;        // no length is told, and a cut looks like the end
    std::uint64_t stall_at = 0;  // no byte follows, until the client goes
    bool ignore_range = false;
    bool other_range = false;    // 206 for another piece than was asked for
    std::string body{}, type{};  // 200 with this instead
};

struct Seen {
    std::string path;
    std::string range;
    std::string if_range;
    std::string authorization;
};

class FakeHub {
public:
    explicit FakeHub(asio::io_context& io) : hub_{io}, storage_{io} {
        while (content.size() < 320'000) {
            content.append("abcdefgh01234567");
        }
        content.replace(0, 4, "GGUF");
        hub_.routes.add("GET", "/api/models/{org}/{repo}/tree/{revision}", [this](auto& exchange) {
            return tree(exchange);
        });
        hub_.routes.add("GET", "/{org}/{repo}/resolve/{revision}/{path*}", [this](auto& exchange) {
            return resolve(exchange);
        });
        storage_.routes.add("GET", "/{path*}", [this](auto& exchange) { return file(exchange); });
        hub_at = hub_.start();
        storage_at = storage_.start();
    }

    WebUrl base() const { return {.endpoint = hub_at, .target = ""}; }

    std::string listing() const {
        return fmt::format(
            R"([{{"type":"file","path":"M-Q4_K_M.gguf","size":{},"lfs":{{"oid":"{}"}}}}])",
            listed_size == 0 ? content.size() : listed_size,
            listed_hash.empty() ? sha256_of(content) : listed_hash
        );
    }

    Task<void> stop() {
        stopping = true;
        co_await hub_.stop();
        co_await storage_.stop();
    }

    std::string content;
    std::string etag = "\"one\"";
    std::uint64_t listed_size = 0;
    std::string listed_hash;
    std::string list;
    int list_status = 200;
    std::vector<std::pair<std::string, std::string>> list_headers;
    std::string redirect;  // instead of the storage host
    std::deque<Fault> faults;
    std::vector<Seen> hub_seen, storage_seen;
    std::function<void()> before_body;
    Endpoint hub_at, storage_at;
    bool stopping = false;

private:
    static Seen seen(const net::RequestHead& head) {
        return {
            .path = std::string{head.target},
            .range = std::string{head.headers.find("Range")},
            .if_range = std::string{head.headers.find("If-Range")},
            .authorization = std::string{head.headers.find("Authorization")}
        };
    }

    static std::vector<net::HeaderView>
    views(const std::vector<std::pair<std::string, std::string>>& headers) {
        std::vector<net::HeaderView> result;
        for (const auto& [name, value] : headers) {
            result.push_back({name, value});
        }
        return result;
    }

    Task<void> tree(net::Exchange& exchange) {
        hub_seen.push_back(seen(exchange.request()));
        ignore(
            co_await exchange.respond(
                list_status, "application/json", list.empty() ? listing() : list,
                views(list_headers)
            ),
            "a test"
        );
    }

    Task<void> resolve(net::Exchange& exchange) {
        hub_seen.push_back(seen(exchange.request()));
        const std::string to =
            redirect.empty() ? fmt::format("http://{}/blob?sig=x", storage_at.text()) : redirect;
        const net::HeaderView headers[] = {{"Location", to}};
        ignore(co_await exchange.respond(302, "text/plain", "", headers), "a test");
    }

    Task<void> file(net::Exchange& exchange) {
        storage_seen.push_back(seen(exchange.request()));
        Fault fault;
        if (!faults.empty()) {
            fault = faults.front();
            faults.pop_front();
        }
        if (fault.status != 0) {
            const auto headers = views(fault.headers);
            ignore(co_await exchange.respond(fault.status, "text/plain", "", headers), "a test");
            co_return;
        }
        if (!fault.body.empty()) {
            ignore(co_await exchange.respond(200, fault.type, fault.body), "a test");
            co_return;
        }
        const Seen asked = storage_seen.back();
        std::uint64_t from = 0;
        const bool fresh = asked.if_range.empty() || asked.if_range == etag;
        if (asked.range.starts_with("bytes=") && fresh && !fault.ignore_range) {
            from = std::stoull(asked.range.substr(6));
        }
        if (fault.other_range) {
            from /= 2;
        }
        co_await send(exchange, fault, from);
    }

    Task<void> send(net::Exchange& exchange, Fault fault, std::uint64_t from) {
        const std::string range =
            fmt::format("bytes {}-{}/{}", from, content.size() - 1, content.size());
        std::vector<net::HeaderView> headers{{"Content-Type", "application/octet-stream"}};
        if (!etag.empty()) {
            headers.push_back({"ETag", etag});
        }
        if (from > 0) {
            headers.push_back({"Content-Range", range});
        }
        const auto length = fault.unsized ? std::nullopt : std::optional{content.size() - from};
        exchange.begin(from > 0 ? 206 : 200, headers, length);
        if (before_body) {
            before_body();
        }
        const std::uint64_t until = std::max(fault.cut_at, fault.stall_at);
        const std::uint64_t end = until > 0 ? until : content.size();
        for (std::uint64_t at = from; at < end;) {
            const std::uint64_t size = std::min<std::uint64_t>(end - at, 10'000);
            const auto sent = co_await exchange.write({content.data() + at, size});
            if (!sent) {
                co_return;
            }
            at += size;
        }
        if (fault.stall_at > 0) {
            bool gone = false;
            exchange.watch_client([&gone] { gone = true; });
            while (!gone && !stopping) {
                co_await clock_.sleep_for(Milliseconds{5});
            }
            exchange.unwatch_client();
        }
        if (end < content.size() && !fault.unsized) {
            exchange.abort();
        } else {
            ignore(co_await exchange.end(), "a test");
        }
    }

    SystemClock clock_;
    net::testing::Server hub_;
    net::testing::Server storage_;
};

}  // namespace nova::catalog::testing

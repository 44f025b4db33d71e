// One request and its answer, as a handler sees it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "net/connection.hpp"
#include "net/http_codec.hpp"

namespace nova::net {

// Lives on the session's stack for one request; the handler borrows it. Whatever the handler left
// unfinished is finished or cut by the session: no answer at all becomes a 500.
class Exchange {
public:
    virtual ~Exchange() = default;

    virtual const RequestHead& request() const = 0;
    virtual const Peer& peer() const = 0;
    // Value of {name} in the route pattern, percent-decoded; empty when the pattern has none.
    virtual std::string_view parameter(std::string_view name) const = 0;

    // The whole body, at most the smaller of limit and the server's. Sends 100 Continue first when
    // the client waits for it, so authenticate before. Errors: too_large, timeout, cancelled.
    virtual Task<Result<std::string>> read_body(std::size_t limit) = 0;

    // What is answered to a client that is gone, or behind abort(), goes nowhere: begin does
    // nothing, everything else fails with cancelled. A handler may learn of it only so.

    // A complete answer with Content-Length. extra: further headers, checked for line breaks.
    virtual Task<Result<void>> respond(
        int status, std::string_view content_type, std::string_view body,
        std::span<const HeaderView> extra = {}
    ) = 0;
    // Status from the policy table, body from the server's renderer, Retry-After when known.
    virtual Task<Result<void>> respond_error(const Error& error) = 0;

    // A streamed answer: begin, write*, end. begin only queues the head; it leaves with the first
    // write or flush, in the same system call. length: Content-Length when known, else chunked
    // (until close for HTTP/1.0 clients). headers go out as they are after the line-break check.
    virtual void
    begin(int status, std::span<const HeaderView> headers, std::optional<std::uint64_t> length) = 0;
    // One chunk; returns when the kernel took it all: that is the back-pressure. Empty: nothing.
    virtual Task<Result<void>> write(std::string_view bytes) = 0;
    virtual Task<Result<void>> flush() = 0;
    virtual Task<Result<void>> end() = 0;
    // Ends the connection without a proper end: the client sees that the answer was cut.
    virtual void abort() = 0;
    virtual bool started() const = 0;  // has anything of the answer been queued or sent

    // Calls back once when the client goes away, from after the body was read until the answer
    // ended. unwatch_client is implied by the end of the exchange.
    virtual void watch_client(std::move_only_function<void()> gone) = 0;
    virtual void unwatch_client() = 0;
};

}  // namespace nova::net

// A TCP or unix socket as a Connection.
#pragma once

#include <memory>

#include "net/connection.hpp"
#include "net/socket_address.hpp"

namespace nova::net {

class SocketConnection final : public Connection {
public:
    // What the first read may expect: an accepted client has mostly sent already, a dialed server
    // has not. Only saves a system call.
    enum class Origin : std::uint8_t { accepted, dialed };

    // The descriptor is non-blocking and close-on-exec.
    SocketConnection(
        asio::any_io_executor executor, Descriptor descriptor, const SocketAddress& peer,
        Origin origin
    );
    SocketConnection(const SocketConnection&) = delete;
    SocketConnection& operator=(const SocketConnection&) = delete;
    ~SocketConnection() override;

    // Starts connect(2) to the peer's address and waits for its result.
    Task<Result<void>> connect(SocketAddress address);

    Task<Result<std::size_t>> read_some(std::span<char> into) override;
    Task<Result<void>> write_all(std::span<const std::string_view> pieces) override;
    Result<std::size_t> write_now(std::span<const std::string_view> pieces) override;
    Task<Result<void>>
    write_rest(std::span<const std::string_view> pieces, std::size_t written) override;
    void expire_at(TimePoint time) override;
    void watch_peer(std::move_only_function<void()> gone) override;
    void unwatch_peer() override;
    void read_ahead() override;
    bool idle_and_clean() override;
    bool nothing_heard() override;
    void shutdown_send() override;
    void close() override;
    const Peer& peer() const override;

private:
    struct State;
    template <class Handler>
    struct ReadHandler;
    Task<Result<std::size_t>> read_at_once(std::span<char> into);
    Task<Result<std::size_t>> wait_for_ahead(std::span<char> into);
    Task<Result<std::size_t>> wait_and_read(std::span<char> into);

    std::shared_ptr<State> state_;
};

}  // namespace nova::net

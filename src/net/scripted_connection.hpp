// A connection for tests and simulation: its peer is a script, its time the clock's.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/connection.hpp"

namespace nova::net {

// The far end, in the test's hands; it outlives the connection it gave out. Single-threaded.
class ScriptedPeer {
public:
    ScriptedPeer(asio::any_io_executor executor, Clock& clock);
    ScriptedPeer(const ScriptedPeer&) = delete;
    ScriptedPeer& operator=(const ScriptedPeer&) = delete;
    ~ScriptedPeer();

    // The other side of this peer; once. peer() of it says this address.
    std::unique_ptr<Connection>
    connection(Peer as = {.address = "127.0.0.1", .port = 0, .loopback = true});

    // One call is one segment: no read returns bytes of two.
    void says(std::string bytes);
    void says_in_pieces(std::string_view bytes, std::size_t piece);
    // Behind everything said: end of input, or a reset that also breaks writes.
    void finishes();
    void resets();
    // Writes beyond so many bytes in all wait until more is allowed.
    void takes_at_most(std::size_t bytes);

    const std::string& heard() const;
    std::string take_heard();
    bool was_closed() const;     // by close() or destruction
    bool was_shut_down() const;  // by shutdown_send()

private:
    friend class ScriptedConnection;
    struct State;
    std::shared_ptr<State> state_;
};

}  // namespace nova::net

// Who may ask a gateway listener for anything at all: nothing is open that is not listed here.
#pragma once

#include <optional>

#include "gateway/api_keys.hpp"
#include "gateway/request_record.hpp"
#include "net/http_server.hpp"

namespace nova::gateway {

// What a path asks of whoever asks for it.
enum class Door : std::uint8_t {
    open,      // says nothing about anybody: is nova alive
    loopback,  // programs of this machine, or a key (decisions.md 2.25)
    handler,   // a key as below; the relay asks for it and answers in the client's dialect
    key,       // a key, or loopback while there is none
};

Door door_of(std::string_view method, std::string_view path);

// The Admission of one worker's listener. hosts: the rules about Host and Origin.
class FrontDoor {
public:
    FrontDoor(
        net::Admission hosts, KeyGatekeeper& gatekeeper, RequestObserver& observer,
        const Clock& clock, Loopback loopback
    );

    std::optional<Error> admit(const net::RequestHead& head, const net::Peer& peer);

private:
    void refused(const net::RequestHead& head, const Error& error);

    net::Admission hosts_;
    KeyGatekeeper& gatekeeper_;
    RequestObserver& observer_;
    const Clock& clock_;
    Loopback loopback_;
};

}  // namespace nova::gateway

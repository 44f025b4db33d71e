// Who may ask for what: what the relay wants of keys and limits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "gateway/rate_fields.hpp"
#include "gateway/routing_table.hpp"
#include "net/connection.hpp"
#include "net/http_message.hpp"

namespace nova::gateway {

// What a caller may do. The scope of an API key; all open for loopback while there is no key.
struct Access {
    std::string key_id;    // "": nobody's key
    std::string key_name;  // for people and the ledger
    bool never_cloud = false;
    std::vector<std::string> models{};     // empty: all; "llama*" matches by its beginning
    std::vector<std::string> providers{};  // empty: all

    bool may_use_model(std::string_view model) const;
    bool may_use(const Upstream& upstream) const;  // provider and never_cloud
};

// One per worker, over tables all workers share. Single-threaded; nothing in it waits.
class Gatekeeper {
public:
    virtual ~Gatekeeper() = default;
    // By Authorization: Bearer (any case, trap 78), x-api-key, or loopback while no key exists
    // (contract.md 8). Before the body is read. Errors: unauthorized (no or unknown or expired
    // key), forbidden.
    virtual Result<std::shared_ptr<const Access>>
    admit(const net::RequestHead& head, const net::Peer& peer) = 0;
    // Counts the request against the key's limits. Error: rate_limited with retry_after.
    virtual Result<void> enter(const Access& access) = 0;

    // Once for each enter() that went well, whatever way the request ended (trap 38).
    virtual void leave(const Access& access) { static_cast<void>(access); }

    // Tokens are known only afterwards; a key that overdrew waits longer.
    virtual void spend(const Access& access, std::uint64_t tokens) = 0;

    // For the x-ratelimit-* fields; empty for who has no limits.
    virtual RateState rates(const Access& access) const {
        static_cast<void>(access);
        return {};
    }
};

}  // namespace nova::gateway

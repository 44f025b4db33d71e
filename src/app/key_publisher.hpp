// API keys from the control plane to the workers.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "app/data_plane.hpp"
#include "gateway/api_keys.hpp"
#include "recovery/key_book.hpp"

namespace nova::app {

// SHA-256 in hex; empty optional: not that.
std::optional<net::Sha256Digest> digest_from(std::string_view hex);
std::string hex_of(const net::Sha256Digest& digest);

// A fresh key as the key book wants it.
recovery::MintedKey mint_key();

// On the control thread.
class KeyPublisher {
public:
    explicit KeyPublisher(DataPlane& plane);

    // Returns when every worker goes by these keys, and the internal one.
    Task<void> publish(const std::vector<recovery::KeyRecord>& keys);

    // For nova's own parts; made anew at each start, stored nowhere but in DIR/runtime.json.
    const Secret& internal_key() const { return internal_.text; }

    // What the workers would get; pure but for the meters, which stay those of their keys.
    gateway::KeyTable table_of(const std::vector<recovery::KeyRecord>& keys);

private:
    DataPlane& plane_;
    gateway::NewKey internal_;
    std::map<std::string, std::shared_ptr<gateway::KeyMeter>, std::less<>> meters_;
};

}  // namespace nova::app

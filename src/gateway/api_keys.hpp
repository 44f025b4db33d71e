// API keys: what is known of them, and who a request is from.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/secret.hpp"
#include "gateway/gatekeeper.hpp"
#include "gateway/key_meter.hpp"
#include "net/sha256.hpp"

namespace nova::gateway {

// Key of nova's own parts (its command line, the control listener): not the user's, so with it
// alone the gateway is still open to loopback.
inline constexpr std::string_view kInternalKeyId = "internal";

// "nova_ID_SECRET": the id is found at once, the secret is 192 random bits.
struct NewKey {
    std::string id;
    Secret text;
    net::Sha256Digest hash{};
};

NewKey make_key(std::string_view id = {});  // empty: a random one
net::Sha256Digest hash_of_key(std::string_view text);
// The id in a key's text; empty when it is no key of nova's.
std::string_view id_of_key(std::string_view text);

struct ApiKey {
    std::shared_ptr<const Access> access;
    net::Sha256Digest hash{};
    std::optional<WallTime> expires_at{};
    std::shared_ptr<KeyMeter> meter;  // the same one in every table that knows the key
};

// Immutable; swapped whole, like the RoutingTable.
class KeyTable {
public:
    KeyTable() = default;
    explicit KeyTable(std::vector<ApiKey> keys);

    const ApiKey* find(std::string_view id) const;

    // Is there one of the user's.
    bool any() const { return any_; }

private:
    std::vector<ApiKey> keys_;  // by id
    bool any_ = false;
};

// Wrong keys per address, over all workers. Any thread; only who sends a wrong key takes the lock.
class AuthFailures {
public:
    // Notes one. How long the address has to wait; empty: it may go on guessing for now.
    std::optional<std::chrono::seconds> note(const std::string& address, TimePoint now);

private:
    struct Row {
        std::uint32_t count = 0;
        TimePoint last{};
    };

    std::mutex mutex_;
    std::map<std::string, Row, std::less<>> rows_;
};

// Counted for metrics. Any thread.
struct KeyRefusals {
    std::atomic<std::uint64_t> missing{0};
    std::atomic<std::uint64_t> wrong{0};
    std::atomic<std::uint64_t> expired{0};
    std::atomic<std::uint64_t> throttled{0};
    std::atomic<std::uint64_t> requests{0};
    std::atomic<std::uint64_t> tokens{0};
    std::atomic<std::uint64_t> concurrent{0};
};

// What the gatekeepers of all workers share.
struct KeyDesk {
    AuthFailures failures;
    KeyRefusals refused;
};

enum class Loopback : bool { closed, open };

class KeyGatekeeper final : public Gatekeeper {
public:
    // open: programs of this machine need no key while there is none (decisions.md 4.4).
    KeyGatekeeper(KeyDesk& desk, const Clock& clock, Loopback loopback);

    // From its return on the older table admits nobody here.
    void install(std::shared_ptr<const KeyTable> table);

    Result<std::shared_ptr<const Access>>
    admit(const net::RequestHead& head, const net::Peer& peer) override;
    Result<void> enter(const Access& access) override;
    void leave(const Access& access) override;
    void spend(const Access& access, std::uint64_t tokens) override;
    RateState rates(const Access& access) const override;

private:
    const ApiKey* key_of(std::string_view text) const;
    std::unexpected<Error> wrong(const net::Peer& peer) const;
    KeyMeter* meter_of(const Access& access) const;

    KeyDesk& desk_;
    const Clock& clock_;
    Loopback loopback_;
    std::shared_ptr<const KeyTable> table_ = std::make_shared<const KeyTable>();
    std::shared_ptr<const Access> nobody_ = std::make_shared<const Access>();
};

}  // namespace nova::gateway

// The API keys as the store has them: hashes, scopes and limits, never a key.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/clock.hpp"
#include "core/json.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"
#include "core/task.hpp"
#include "lifecycle/backend_control.hpp"
#include "store/state_store.hpp"

namespace nova::recovery {

// What a key is to be.
struct KeyWish {
    std::string name;
    std::vector<std::string> models{};     // empty: all
    std::vector<std::string> providers{};  // empty: all
    bool never_cloud = false;
    std::optional<WallTime> expires_at{};
    std::uint64_t requests_per_minute = 0;  // 0: no limit, as below
    std::uint64_t tokens_per_minute = 0;
    std::uint32_t concurrent = 0;
};

struct KeyRecord {
    std::string id;
    std::string hash;  // SHA-256 of the key, hex
    WallTime created_at{};
    KeyWish is{};
};

// A key as it was made; its text is nowhere else.
struct MintedKey {
    std::string id;
    std::string hash;
    Secret text;
};

// Body of POST /keys. Errors: invalid_argument (no such member, wrong type), unprocessable (a value
// that makes no sense). now: expires_in_s counts from it.
Result<KeyWish> key_wish_from(std::string_view body, WallTime now);
Json key_json(const KeyRecord& record);

// Single-threaded (control thread).
class KeyBook {
public:
    struct Parts {
        store::StateStore& store;
        lifecycle::EventFeed& feed;
        const Clock& clock;
        std::function<MintedKey()> mint;
        // Makes the keys known to every worker; returns when they go by them.
        std::function<Task<void>(const std::vector<KeyRecord>&)> publish;
    };

    explicit KeyBook(Parts parts);

    // Reads documents key/ID and publishes them. A document that cannot be read is passed over and
    // named in the answer: it admits nobody.
    Task<Result<std::vector<std::string>>> load();

    const std::vector<KeyRecord>& keys() const { return keys_; }

    struct Created {
        KeyRecord record;
        Secret text;
    };

    // Errors: conflict (word key_exists: that name is taken), exhausted (too many), the store's.
    Task<Result<Created>> create(KeyWish wish, std::string actor);
    // From its return on the key admits nobody. Error: not_found (word key_not_found).
    Task<Result<void>> revoke(std::string id, std::string actor);

private:
    Task<Result<void>> keep(store::Write change, store::AppendEvent audit);

    Parts parts_;
    std::vector<KeyRecord> keys_;  // oldest first
};

}  // namespace nova::recovery

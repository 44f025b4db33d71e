// Finding the key of a request and holding it to its limits.
#include "gateway/api_keys.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "core/random.hpp"
#include "core/text.hpp"
#include "net/admission.hpp"

namespace nova::gateway {
namespace {

constexpr std::string_view kPrefix = "nova_";
constexpr std::size_t kIdBytes = 6;
constexpr std::size_t kSecretBytes = 24;
constexpr std::size_t kLongestKey = 256;

constexpr std::uint32_t kFreeAttempts = 10;       // a wrong key in a script's configuration
constexpr std::chrono::seconds kForgetAfter{60};  // quiet time after which an address starts anew
constexpr std::size_t kMaxAddresses = 1024;       // bounds memory under a flood of addresses

bool equal_in_constant_time(const net::Sha256Digest& a, const net::Sha256Digest& b) {
    unsigned difference = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
        difference |= static_cast<unsigned>(a[i] ^ b[i]);
    }
    return difference == 0;
}

// The scheme in any case, with any white space behind it (trap 78). Empty: something else.
std::string_view bearer_of(const net::Headers& headers) {
    constexpr std::string_view kScheme = "Bearer";
    const std::string_view value = trimmed(headers.find("Authorization"), kHttpBlanks);
    if (value.size() <= kScheme.size() ||
        !net::equal_ignoring_case(value.substr(0, kScheme.size()), kScheme)) {
        return {};
    }
    const std::string_view rest = value.substr(kScheme.size());
    return rest.front() == ' ' || rest.front() == '\t' ? trimmed(rest, kHttpBlanks)
                                                       : std::string_view{};
}

constexpr std::string_view kRemedy =
    "Send one made by `nova keys create NAME` as Authorization: Bearer KEY or as x-api-key.";

std::unexpected<Error> refused(std::string message) {
    return fail(Error{
        .code = ErrorCode::unauthorized,
        .message = std::move(message),
        .word = "invalid_api_key",
        .remedy = std::string{kRemedy},
    });
}

void count(std::atomic<std::uint64_t>& counter) {
    counter.fetch_add(1, std::memory_order_relaxed);
}

std::chrono::seconds whole_seconds(std::chrono::nanoseconds wait) {
    return std::max(std::chrono::ceil<std::chrono::seconds>(wait), std::chrono::seconds{1});
}

}  // namespace

NewKey make_key(std::string_view id) {
    NewKey key;
    key.id = id.empty() ? random_hex(kIdBytes) : std::string{id};
    key.text = Secret{fmt::format("{}{}_{}", kPrefix, key.id, random_hex(kSecretBytes))};
    key.hash = hash_of_key(key.text.reveal());
    return key;
}

net::Sha256Digest hash_of_key(std::string_view text) {
    return net::sha256_of(text);
}

std::string_view id_of_key(std::string_view text) {
    if (!text.starts_with(kPrefix) || text.size() > kLongestKey) {
        return {};
    }
    const std::string_view rest = text.substr(kPrefix.size());
    const auto line = rest.find('_');
    return line == std::string_view::npos ? std::string_view{} : rest.substr(0, line);
}

// ---- table

KeyTable::KeyTable(std::vector<ApiKey> keys) : keys_{std::move(keys)} {
    std::ranges::sort(keys_, {}, [](const ApiKey& key) {
        return std::string_view{key.access->key_id};
    });
    any_ = std::ranges::any_of(keys_, [](const ApiKey& key) {
        return key.access->key_id != kInternalKeyId;
    });
}

const ApiKey* KeyTable::find(std::string_view id) const {
    const auto it = std::ranges::lower_bound(keys_, id, {}, [](const ApiKey& key) {
        return std::string_view{key.access->key_id};
    });
    return it != keys_.end() && it->access->key_id == id ? &*it : nullptr;
}

// ---- failures

std::optional<std::chrono::seconds> AuthFailures::note(const std::string& address, TimePoint now) {
    const std::scoped_lock lock{mutex_};
    std::erase_if(rows_, [now](const auto& row) { return row.second.last <= now - kForgetAfter; });
    if (rows_.size() >= kMaxAddresses && !rows_.contains(address)) {
        rows_.erase(std::ranges::min_element(rows_, {}, [](const auto& row) {
            return row.second.last;
        }));
    }
    Row& row = rows_[address];
    row.last = now;
    ++row.count;
    return row.count > kFreeAttempts ? std::optional{kForgetAfter} : std::nullopt;
}

// ---- gatekeeper

KeyGatekeeper::KeyGatekeeper(KeyDesk& desk, const Clock& clock, Loopback loopback)
    : desk_{desk}, clock_{clock}, loopback_{loopback} {}

void KeyGatekeeper::install(std::shared_ptr<const KeyTable> table) {
    table_ = std::move(table);
}

const ApiKey* KeyGatekeeper::key_of(std::string_view text) const {
    const ApiKey* key = table_->find(id_of_key(text));
    if (key == nullptr && !table_->any()) {
        return nullptr;  // an open gateway has nothing to hide, and need not hash what clients send
    }
    const net::Sha256Digest hash = hash_of_key(text);  // also for an id nobody has: the same time
    return key != nullptr && equal_in_constant_time(key->hash, hash) ? key : nullptr;
}

// A right key passes whatever the address did before (decisions.md 4.9).
Result<std::shared_ptr<const Access>>
KeyGatekeeper::admit(const net::RequestHead& head, const net::Peer& peer) {
    const std::array candidates{
        bearer_of(head.headers), trimmed(head.headers.find("x-api-key"), kHttpBlanks)
    };
    bool presented = false;
    bool expired = false;
    for (const std::string_view text : candidates) {
        if (text.empty()) {
            continue;
        }
        presented = true;
        const ApiKey* key = key_of(text);
        if (key == nullptr) {
            continue;
        }
        if (!key->expires_at || clock_.wall_now() < *key->expires_at) {
            return key->access;
        }
        expired = true;
    }
    // Official clients cannot send no key at all: while there is none, what they send is no matter.
    if (loopback_ == Loopback::open && !table_->any() && peer.loopback &&
        !net::came_through_proxy(head.headers)) {
        return nobody_;
    }
    if (expired) {
        count(desk_.refused.expired);
        return refused("This API key has expired.");
    }
    if (presented) {
        return wrong(peer);
    }
    count(desk_.refused.missing);
    return refused("This gateway needs an API key.");
}

std::unexpected<Error> KeyGatekeeper::wrong(const net::Peer& peer) const {
    if (const auto wait = desk_.failures.note(peer.address, clock_.now())) {
        count(desk_.refused.throttled);
        return fail(Error{
            .code = ErrorCode::rate_limited,
            .message = fmt::format("Too many wrong API keys from {}.", peer.address),
            .word = "too_many_wrong_keys",
            .remedy = "Wait a minute, then send the right one.",
            .retry_after = wait,
        });
    }
    count(desk_.refused.wrong);
    return refused("The API key is not known here.");
}

KeyMeter* KeyGatekeeper::meter_of(const Access& access) const {
    const ApiKey* key = access.key_id.empty() ? nullptr : table_->find(access.key_id);
    return key == nullptr ? nullptr : key->meter.get();
}

Result<void> KeyGatekeeper::enter(const Access& access) {
    KeyMeter* meter = meter_of(access);
    if (meter == nullptr) {
        return {};
    }
    const auto refusal = meter->enter(clock_.now());
    if (!refusal) {
        return {};
    }
    Error error{
        .code = ErrorCode::rate_limited,
        .message = {},
        .word = "rate_limit_exceeded",
        .remedy = "Ask again after the time in Retry-After.",
        .retry_after = whole_seconds(refusal->wait),
    };
    const KeyLimits& limits = meter->limits();
    switch (refusal->limit) {
    case KeyMeter::Limit::requests:
        count(desk_.refused.requests);
        error.message =
            fmt::format("This API key may make {} requests a minute.", limits.requests_per_minute);
        break;
    case KeyMeter::Limit::tokens:
        count(desk_.refused.tokens);
        error.message =
            fmt::format("This API key may use {} tokens a minute.", limits.tokens_per_minute);
        break;
    case KeyMeter::Limit::concurrent:
        count(desk_.refused.concurrent);
        error.message =
            fmt::format("This API key may have {} requests running at once.", limits.concurrent);
        break;
    }
    return fail(std::move(error));
}

void KeyGatekeeper::leave(const Access& access) {
    if (KeyMeter* meter = meter_of(access)) {
        meter->leave();
    }
}

void KeyGatekeeper::spend(const Access& access, std::uint64_t tokens) {
    if (KeyMeter* meter = meter_of(access)) {
        meter->spend(clock_.now(), tokens);
    }
}

RateState KeyGatekeeper::rates(const Access& access) const {
    const KeyMeter* meter = meter_of(access);
    return meter == nullptr ? RateState{} : meter->rates(clock_.now());
}

}  // namespace nova::gateway

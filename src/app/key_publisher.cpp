// Records become table entries.
#include "app/key_publisher.hpp"

#include <charconv>
#include <utility>

#include <fmt/format.h>

namespace nova::app {

std::optional<net::Sha256Digest> digest_from(std::string_view hex) {
    net::Sha256Digest digest{};
    if (hex.size() != digest.size() * 2) {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < digest.size(); ++i) {
        const char* const at = hex.data() + 2 * i;
        const auto [end, error] = std::from_chars(at, at + 2, digest[i], 16);
        if (error != std::errc{} || end != at + 2) {
            return std::nullopt;
        }
    }
    return digest;
}

std::string hex_of(const net::Sha256Digest& digest) {
    return fmt::format("{:02x}", fmt::join(digest, ""));
}

recovery::MintedKey mint_key() {
    gateway::NewKey key = gateway::make_key();
    return {.id = std::move(key.id), .hash = hex_of(key.hash), .text = std::move(key.text)};
}

KeyPublisher::KeyPublisher(DataPlane& plane)
    : plane_{plane}, internal_{gateway::make_key(gateway::kInternalKeyId)} {}

gateway::KeyTable KeyPublisher::table_of(const std::vector<recovery::KeyRecord>& keys) {
    std::map<std::string, std::shared_ptr<gateway::KeyMeter>, std::less<>> meters;
    std::vector<gateway::ApiKey> entries;
    for (const recovery::KeyRecord& key : keys) {
        const auto hash = digest_from(key.hash);
        if (!hash) {
            continue;  // admits nobody; the key book has refused it before
        }
        auto& meter = meters[key.id];
        const auto known = meters_.find(key.id);
        meter = known != meters_.end() ? known->second
                                       : std::make_shared<gateway::KeyMeter>(gateway::KeyLimits{
                                             .requests_per_minute = key.is.requests_per_minute,
                                             .tokens_per_minute = key.is.tokens_per_minute,
                                             .concurrent = key.is.concurrent,
                                         });
        auto access = std::make_shared<gateway::Access>();
        access->key_id = key.id;
        access->key_name = key.is.name;
        access->never_cloud = key.is.never_cloud;
        access->models = key.is.models;
        access->providers = key.is.providers;
        entries.push_back(
            {.access = std::move(access),
             .hash = *hash,
             .expires_at = key.is.expires_at,
             .meter = meter}
        );
    }
    meters_ = std::move(meters);
    auto internal = std::make_shared<gateway::Access>();
    internal->key_id = internal_.id;
    internal->key_name = "nova itself";
    entries.push_back(
        {.access = std::move(internal), .hash = internal_.hash, .expires_at = {}, .meter = nullptr}
    );
    return gateway::KeyTable{std::move(entries)};
}

Task<void> KeyPublisher::publish(const std::vector<recovery::KeyRecord>& keys) {
    auto table = std::make_shared<const gateway::KeyTable>(table_of(keys));
    co_await plane_.install_keys(std::move(table));
}

}  // namespace nova::app

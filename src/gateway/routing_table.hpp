// What a worker routes by: an immutable snapshot, swapped whole by a publication.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/secret.hpp"
#include "core/strong.hpp"
#include "gateway/upstream_meter.hpp"

namespace nova::gateway {

// Somebody who answers requests. One value per instance: a restarted engine is a new upstream.
struct Upstream {
    UpstreamId id;
    std::string provider;  // "llamacpp", "ollama", "custom"
    Endpoint endpoint;
    std::string base_path = "/v1";
    std::string auth_header_name;  // empty: none is sent
    Secret auth_header_value;
    std::vector<std::string> models;
    bool models_known = true;                // false: every name is passed on
    std::shared_ptr<UpstreamMeters> meters;  // one per worker; empty: nobody wants to know
    bool embeds = true;                      // answers /v1/embeddings

    bool serves(std::string_view model) const;
};

// Told to clients while a backend is on its way (contract.md 6).
struct Loading {
    std::string phase;
    std::optional<double> progress{};
    std::optional<double> eta_s{};
};

struct RoutingTable {
    Epoch epoch;
    std::shared_ptr<const Upstream> local;  // empty: traffic is closed
    SlotName slot{"local"};
    std::string wanted_provider = "none";
    std::optional<Loading> loading;
    std::vector<std::string> known_models;  // not servable now, but no 404 (decisions.md 2.14)
    std::optional<std::string> error;       // why it is closed, one sentence
    bool parked = false;                    // put away for idleness; a request wakes it
    bool local_embeds = true;               // would the local backend answer /v1/embeddings
    // The slot for embeddings beside local (decisions.md 2.20), as a table of its own whose `local`
    // is that slot's upstream. Empty: nothing is wanted there.
    std::shared_ptr<const RoutingTable> embed;

    // Of the embed slot; empty while it is closed.
    std::shared_ptr<const Upstream> embedder() const { return embed ? embed->local : nullptr; }
};

}  // namespace nova::gateway

// What a worker routes by: an immutable snapshot, swapped whole by a publication.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/secret.hpp"
#include "core/strong.hpp"
#include "dialect/codec.hpp"
#include "gateway/upstream_meter.hpp"

namespace nova::gateway {

// local: this machine's engine, or the server that `custom` names; cloud: a connection to it leaves
// the house, and goes through leave_permit.hpp only.
enum class Where : std::uint8_t { local, cloud };

// Somebody who answers requests. One value per instance: a restarted engine is a new upstream; a
// cloud's id is "cloud/PROVIDER".
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
    Where where = Where::local;
    dialect::Dialect speaks = dialect::Dialect::openai;  // openai, anthropic or ollama
    // What it is asked for instead of a name that is not its own: client's name to its name, and
    // where no row fits, default_model; empty: such a request cannot go there.
    std::vector<std::pair<std::string, std::string>> aliases{};
    std::string default_model{};
    std::vector<std::pair<std::string, std::string>> headers{};  // sent with every request
    dialect::WriteOptions options{};  // its quirks; model is set for each request

    bool serves(std::string_view model) const;
};

// Told to clients while a backend is on its way (contract.md 6).
struct Loading {
    std::string phase;
    std::optional<double> progress{};
    std::optional<double> eta_s{};
};

// contract.md 6. What lies between: local_only opens no connection to a cloud, cloud_only none to
// a local upstream.
enum class Strategy : std::uint8_t { local_first, cloud_first, local_only, cloud_only };

// A name that stands for another, of any provider or of the one that is named.
struct Alias {
    std::string name;
    std::string provider;  // empty: whoever serves the model
    std::string model;
};

struct RoutingTable {
    Epoch epoch;
    std::uint64_t looks = 0;  // how often lists were asked for anew because a model was missed
    Strategy strategy = Strategy::local_first;
    std::vector<std::shared_ptr<const Upstream>> clouds{};  // configured, in the chain's order
    std::vector<Alias> aliases{};
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

// Strings and numbers that cannot be mixed up: BackendName is not ModelId.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace nova {

template <class Tag, class T = std::string>
struct Strong {
    T value{};

    auto operator<=>(const Strong&) const = default;
};

using EngineName = Strong<struct EngineNameTag>;  // "llamacpp", "ollama", "custom", ...
using ModelId = Strong<struct ModelIdTag>;        // as clients name it
using SlotName = Strong<struct SlotNameTag>;      // "local", later "embed"
using InstallId = Strong<struct InstallIdTag>;    // DIR/install-id
using SpecHash = Strong<struct SpecHashTag>;      // hex of the BackendSpec (decisions.md 2.3)
using OperationId = Strong<struct OperationIdTag>;
using UpstreamId = Strong<struct UpstreamIdTag>;  // one per instance, never reused: "local/7"
using Generation = Strong<struct GenerationTag, std::uint64_t>;  // counts wishes of a slot
using Epoch = Strong<struct EpochTag, std::uint64_t>;            // counts routing publications
using Port = Strong<struct PortTag, std::uint16_t>;

// An address somebody listens on. host is an IP literal or a name; unix sockets: host =
// "unix:PATH".
struct Endpoint {
    std::string host;
    std::uint16_t port = 0;
    bool tls = false;

    auto operator<=>(const Endpoint&) const = default;
    std::string text() const;  // "127.0.0.1:8001", "[::1]:8001", "unix:/path"
};

}  // namespace nova

template <class Tag, class T>
struct std::hash<nova::Strong<Tag, T>> {
    std::size_t operator()(const nova::Strong<Tag, T>& s) const { return std::hash<T>{}(s.value); }
};

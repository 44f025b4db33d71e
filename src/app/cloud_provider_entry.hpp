// What the files of CloudProviders share.
#pragma once

#include <chrono>

#include "app/cloud_providers.hpp"

namespace nova::app {

inline constexpr std::string_view kProviderDocuments = "provider/";
inline constexpr std::string_view kProviderLists = "provider-models/";
inline constexpr std::chrono::nanoseconds kFirstListRetry = std::chrono::minutes{1};

struct CloudProviders::Entry {
    ProviderDocument document;
    const gateway::ProviderRow* row = nullptr;
    Secret key{};
    std::optional<Error> unusable{};  // why it is in no table
    std::vector<std::string> listed{};
    std::optional<WallTime> listed_at{};
    std::optional<Error> list_error{};
    TimePoint due{};  // of the next look at its list
    std::chrono::nanoseconds pause = kFirstListRetry;
    std::uint64_t version = 0;  // changes with the document
    std::shared_ptr<const gateway::Upstream> upstream{};
};

inline store::Key key_of(std::string_view prefix, std::string_view id) {
    return {std::string{prefix} + std::string{id}};
}

// Why no connection to a cloud may be opened now.
Error no_leave(gateway::Strategy strategy);

}  // namespace nova::app

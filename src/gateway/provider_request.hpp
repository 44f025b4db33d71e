// A request as one provider gets it: the client's bytes, those bytes with an edit, or a
// translation.
#pragma once

#include <string>
#include <string_view>

#include "gateway/relay_job.hpp"

namespace nova::gateway {

// What goes over the wire to a provider.
struct ProviderRequest {
    std::string_view path;       // behind its base path
    dialect::Dialect dialect{};  // of the body, and of the answer to come
    bool translated = false;     // not the client's dialect
    bool drop_usage = false;     // it was asked for usage that the client does not expect
    std::string text{};          // the body, unless it is the client's as it came
    bool as_it_came = false;
    // The model is only to be loaded or put away, as Ollama's clients can say: no other dialect
    // has a word for it, so there is no body and nobody is asked.
    bool asks_nothing = false;
};

// Error: unsupported (the provider has no such thing), what the client must change
// (invalid_argument), or what only this provider cannot be told (unprocessable).
Result<ProviderRequest> request_for(RelayJob& job, const RouteStep& step);

}  // namespace nova::gateway

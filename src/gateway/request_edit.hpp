// What has to change in a request for a provider that speaks the client's own dialect: as little as
// possible, every other byte as it came.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "dialect/codec.hpp"
#include "gateway/request_peek.hpp"

namespace nova::gateway {

struct RequestEdits {
    std::string_view model{};    // empty: as the client wrote it
    bool ask_for_usage = false;  // stream_options.include_usage
    // max_completion_tokens, unsupported and defaults; empty: none of them.
    const dialect::WriteOptions* quirks = nullptr;

    bool empty() const { return model.empty() && !ask_for_usage && quirks == nullptr; }
};

// Has the provider quirks that a body in OpenAI's dialect must be changed for.
bool has_quirks(const dialect::WriteOptions& options);

struct EditedRequest {
    std::string text;
    std::vector<std::string> left_out{};  // members the provider does not know
};

// body has been peeked at. Splices where that is enough; quirks take the body apart, whose numbers
// may then be spelled anew. Error: invalid_argument (not JSON, deeper than 128).
Result<EditedRequest>
edited_request(std::string_view body, const RequestPeek& peek, const RequestEdits& edits);

}  // namespace nova::gateway

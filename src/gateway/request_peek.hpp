// The few fields routing needs from a request body, read without building a tree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace nova::gateway {

struct RequestPeek {
    std::string model;
    bool stream = false;
    bool stream_given = false;   // not null: Ollama's API streams unless told otherwise (trap 83)
    bool include_usage = false;  // stream_options.include_usage
    bool stream_options_given = false;
    std::size_t model_at = 0;  // where the value of "model" stands in the body, quotes included
    std::size_t model_bytes = 0;
};

// The body with another "model"; every other byte as it was.
std::string with_model(std::string body, const RequestPeek& peek, std::string_view model);

// One per worker: keeps the parser's memory between requests.
class RequestPeeker {
public:
    RequestPeeker();
    RequestPeeker(const RequestPeeker&) = delete;
    RequestPeeker& operator=(const RequestPeeker&) = delete;
    ~RequestPeeker();

    // body may be enlarged in capacity, never in content. Errors: invalid_argument, one sentence
    // each: not JSON, not an object, no model, wrong types, "model" twice (trap 74: which one the
    // engine would take is anybody's guess).
    enum class Model : std::uint8_t { required, optional };
    Result<RequestPeek> peek(std::string& body, Model model = Model::required);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace nova::gateway

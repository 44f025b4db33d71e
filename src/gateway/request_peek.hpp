// The few fields routing needs from a request body, read without building a tree.
#pragma once

#include <memory>
#include <string>

#include "core/result.hpp"

namespace nova::gateway {

struct RequestPeek {
    std::string model;
    bool stream = false;
    bool include_usage = false;  // stream_options.include_usage
};

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
    Result<RequestPeek> peek(std::string& body);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace nova::gateway

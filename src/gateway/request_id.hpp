// The id a request is known by: to its client, to the provider, in the access log.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace nova::gateway {

// At most 128 of A-Z a-z 0-9 . _ -: what goes into headers and logs unquoted (traps 99, 100).
bool is_safe_request_id(std::string_view id);

// Makes ids without asking the kernel each time: unique, not secret. One per worker.
class RequestIds {
public:
    RequestIds();
    // "req-0123456789abcdef-1f"
    std::string next();

private:
    std::string prefix_;
    std::uint64_t count_ = 0;
};

}  // namespace nova::gateway

// A request that runs now, as a list for people shows it: nothing of what is asked or answered.
#pragma once

#include <cstdint>
#include <string>

#include "core/clock.hpp"

namespace nova::gateway {

struct RunningRequest {
    std::string id;
    std::string route;
    std::string model;     // as the client wrote it; at most 256 bytes
    std::string provider;  // empty: none is asked yet
    std::string key_id;    // empty: nobody's key
    std::string key_name;
    std::string phase;  // receiving, waiting, asking, answering
    WallTime since{};
    std::uint64_t bytes = 0;  // of the answer so far
};

}  // namespace nova::gateway

// Any bytes as a request body: never a crash, and what is accepted reads the same twice.
#include <cstddef>
#include <cstdint>
#include <string>

#include "gateway/request_peek.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static nova::gateway::RequestPeeker peeker;
    std::string body{reinterpret_cast<const char*>(data), size};
    const std::string before = body;
    const auto first = peeker.peek(body);
    const auto second = peeker.peek(body);
    NOVA_CHECK(body == before);
    NOVA_CHECK(first.has_value() == second.has_value());
    if (first) {
        NOVA_CHECK(!first->model.empty() && first->model == second->model);
    }
    return 0;
}

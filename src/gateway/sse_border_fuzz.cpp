// A stream in pieces (the first byte of the input gives their size): nothing lost, nothing changed.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.hpp"
#include "gateway/sse_border.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::size_t step = data[0] % 32U + 1U;
    const std::string_view stream{reinterpret_cast<const char*>(data) + 1, size - 1};
    nova::gateway::SseHold hold{64};
    std::string out;
    for (std::size_t at = 0; at < stream.size(); at += step) {
        const auto split = hold.split(stream.substr(at, step));
        out += split.held;
        out += split.now;
        hold.keep(split);
        NOVA_CHECK(hold.held().size() <= 64);
    }
    out += hold.held();
    NOVA_CHECK(out == stream);
    return 0;
}

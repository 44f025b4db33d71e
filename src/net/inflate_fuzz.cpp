// Any bytes as a compressed body: no step beyond its size, and an end after a bounded number.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "net/inflate.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using nova::net::Inflater;
    Inflater inflater{{reinterpret_cast<const char*>(data), size}};
    std::size_t all = 0;
    while (true) {
        const auto piece = inflater.next();
        if (!piece || piece->empty()) {
            return 0;
        }
        all += piece->size();
        // Deflate makes at most 1032 bytes of one.
        if (piece->size() > Inflater::kStepBytes || all > (size + 1) * 1032) {
            std::abort();
        }
    }
}

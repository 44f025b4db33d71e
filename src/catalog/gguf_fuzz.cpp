// Any bytes as a model file: no crash, no wrap, no memory beyond the limits; and what is accepted
// must hold together.
#include <cstddef>
#include <cstdint>
#include <span>

#include "catalog/gguf.hpp"
#include "catalog/memory_estimate.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace nova::catalog;
    MemoryBytes source{std::as_bytes(std::span{data, size})};
    const auto facts = read_gguf(source, "input.gguf");
    if (!facts) {
        NOVA_CHECK(!facts.error().message.empty());
        NOVA_CHECK(!facts.error().remedy.empty());
        return 0;
    }
    NOVA_CHECK(facts->actual_file.count == size);
    NOVA_CHECK(facts->expected_file <= facts->actual_file);
    const auto estimate = estimate_memory(*facts, {});
    NOVA_CHECK(estimate.low <= estimate.likely && estimate.likely <= estimate.high);
    return 0;
}

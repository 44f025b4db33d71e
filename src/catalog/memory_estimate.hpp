// How much memory a GGUF model takes in llama.cpp (and Ollama): pure arithmetic over its header.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "catalog/gguf.hpp"
#include "core/units.hpp"

namespace nova::catalog {

enum class CacheType : std::uint8_t { f32, f16, q8_0, q5_1, q5_0, q4_1, q4_0 };
enum class CacheSharing : std::uint8_t { per_sequence, one_pool };  // one_pool: --kv-unified
enum class WindowCache : std::uint8_t { window, whole };            // whole: --swa-full
enum class Placement : std::uint8_t { cpu, gpu };                   // where all layers go

struct ServingShape {
    std::uint64_t context = 8192;  // tokens of all sequences together, as llama-server's -c
    std::uint64_t sequences = 4;   // its --parallel; without one_pool each has context/sequences
    CacheSharing sharing = CacheSharing::per_sequence;
    CacheType key_cache = CacheType::f16;
    CacheType value_cache = CacheType::f16;
    WindowCache window_cache = WindowCache::window;
    std::uint64_t micro_batch = 512;  // its --ubatch-size
    Placement placement = Placement::cpu;
};

struct MemoryItem {
    std::string name;  // "weights", "kv_cache", "recurrent_state", "compute", "program"
    Bytes low;
    Bytes likely;
    Bytes high;
    std::string how;  // one sentence: from what it was found
};

struct MemoryEstimate {
    std::vector<MemoryItem> items;
    Bytes low;
    Bytes likely;  // plan with this one, and compare `high` with what is free
    Bytes high;
    std::vector<std::string> notes;  // what the file does not say, so that a range is wide
};

MemoryEstimate estimate_memory(const GgufFacts& facts, const ServingShape& shape);

}  // namespace nova::catalog

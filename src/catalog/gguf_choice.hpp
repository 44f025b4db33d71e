// Which of a repository's files a wish means: by quantisation or by name, cut ones with all parts.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/hub_reply.hpp"
#include "core/result.hpp"
#include "core/units.hpp"

namespace nova::catalog {

// A model as files: one, or every part of NAME-00001-of-0000N.gguf in order.
struct GgufSet {
    std::vector<HubEntry> files;  // never empty; an engine is given the first
    Bytes total() const;
};

// Letter case does not matter. Without a quantisation: Q4_K_M, else the first of a list from small
// and good to large, else the only one there is. Errors: not_found (no GGUF at all, or not this
// one: names those there are), unprocessable (several fit: names the files; parts are missing).
Result<GgufSet> choose_gguf(
    std::span<const HubEntry> entries, std::string_view repository, std::string_view quantization
);
// A part of a cut model means the whole model. Errors: likewise.
Result<GgufSet> choose_gguf_file(
    std::span<const HubEntry> entries, std::string_view repository, std::string_view path
);

// "Q4_K_M" of "sub/Model-1B.Q4_K_M-00001-of-00002.gguf"; empty when the name does not say.
std::string quantization_of(std::string_view path);

}  // namespace nova::catalog

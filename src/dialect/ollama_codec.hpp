// Ollama's dialect as codecs: one for /api/chat, one for /api/generate.
#pragma once

#include "dialect/codec.hpp"

namespace nova::dialect {

// As upstreams both are the same: a completion is written for /api/generate, anything else for
// /api/chat (endpoint.hpp), and either answer is read.
const Codec& ollama_codec();
const Codec& ollama_generate_codec();

}  // namespace nova::dialect

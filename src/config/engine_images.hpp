// The setting docker.images: which image stands for which engine.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/result.hpp"

namespace nova::config {

// "llamacpp=127.0.0.1:5000/llamacpp:mine, vllm=vllm/vllm-openai:v0.9.0". Error: unprocessable,
// naming the piece that is none.
Result<std::map<std::string, std::string>> engine_images_from(std::string_view text);

}  // namespace nova::config

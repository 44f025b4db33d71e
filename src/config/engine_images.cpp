// Only characters of image names pass: they end in the path of a request.
#include "config/engine_images.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "config/named_values.hpp"

namespace nova::config {
namespace {

bool is_image(std::string_view name) {
    return !name.empty() && name.size() <= 255 && !name.contains("..") && !name.contains("//") &&
           name.front() != '/' && name.front() != '-' && std::ranges::all_of(name, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '.' || c == '_' || c == '-' || c == '/' || c == ':' || c == '@';
           });
}

}  // namespace

Result<std::map<std::string, std::string>> engine_images_from(std::string_view text) {
    std::map<std::string, std::string> images;
    for (const auto& [piece, name, image] : named_values(text)) {
        const std::string engine{name};
        if (engine.empty() || !is_image(image) || images.contains(engine)) {
            return fail(
                ErrorCode::unprocessable,
                fmt::format("docker.images: \"{}\" names no image of an engine.", piece),
                "Write each engine once, as ENGINE=IMAGE, with commas between."
            );
        }
        images.emplace(engine, image);
    }
    return images;
}

}  // namespace nova::config

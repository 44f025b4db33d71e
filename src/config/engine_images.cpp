// Only characters of image names pass: they end in the path of a request.
#include "config/engine_images.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace nova::config {
namespace {

std::string_view trimmed(std::string_view text) {
    const auto from = text.find_first_not_of(' ');
    return from == std::string_view::npos
               ? std::string_view{}
               : text.substr(from, text.find_last_not_of(' ') - from + 1);
}

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
    while (!text.empty()) {
        const auto comma = std::min(text.find(','), text.size());
        const std::string_view piece = trimmed(text.substr(0, comma));
        text.remove_prefix(std::min(comma + 1, text.size()));
        if (piece.empty()) {
            continue;
        }
        const auto equals = piece.find('=');
        const std::string engine{trimmed(piece.substr(0, equals))};
        const std::string_view image =
            equals == std::string_view::npos ? "" : trimmed(piece.substr(equals + 1));
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

// Reads what docker login keeps: {"auths": {"REGISTRY": {"auth": base64 of "user:password"}}}, or
// an identitytoken instead.
#include "runtime/docker_login.hpp"

#include <optional>
#include <vector>

#include <nlohmann/json.hpp>
#include <openssl/evp.h>

#include "core/json.hpp"
#include "runtime/docker_json.hpp"

namespace nova::runtime {
namespace {

constexpr std::size_t kMostSecret = 16U * 1024U;

std::optional<std::string> decoded(const std::string& text) {
    if (text.empty() || text.size() % 4 != 0 || text.size() > kMostSecret) {
        return std::nullopt;
    }
    std::vector<unsigned char> bytes(text.size());
    const int size = EVP_DecodeBlock(
        bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
        static_cast<int>(text.size())
    );
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    if (size < 0 || static_cast<std::size_t>(size) < padding) {
        return std::nullopt;
    }
    return std::string{bytes.begin(), bytes.begin() + size - static_cast<std::ptrdiff_t>(padding)};
}

// The URL-safe letters, with padding, as Docker wants it.
std::string encoded(const std::string& text) {
    std::vector<unsigned char> out(text.size() / 3 * 4 + 5);
    const int size = EVP_EncodeBlock(
        out.data(), reinterpret_cast<const unsigned char*>(text.data()),
        static_cast<int>(text.size())
    );
    std::string result{out.begin(), out.begin() + size};
    for (char& c : result) {
        c = c == '+' ? '-' : c == '/' ? '_' : c;
    }
    return result;
}

// Docker writes some registries down as addresses.
bool names(std::string_view key, std::string_view registry) {
    if (registry == "docker.io") {
        return key == "https://index.docker.io/v1/" || key == "docker.io" ||
               key == "index.docker.io";
    }
    for (const std::string_view scheme : {"https://", "http://"}) {
        if (key.starts_with(scheme)) {
            key.remove_prefix(scheme.size());
        }
    }
    return key.substr(0, key.find('/')) == registry;
}

}  // namespace

std::string registry_of(std::string_view image) {
    const std::size_t slash = image.find('/');
    const std::string_view first = image.substr(0, slash);
    const bool host = slash != std::string_view::npos &&
                      (first.contains('.') || first.contains(':') || first == "localhost");
    return std::string{host ? first : "docker.io"};
}

std::string registry_auth(std::string_view config, std::string_view image) {
    const auto document = parse_json(config, "Docker's config.json");
    if (!document) {
        return {};
    }
    const std::string registry = registry_of(image);
    const Json& logins = member(*document, "auths");
    if (!logins.is_object()) {
        return {};
    }
    for (const auto& [key, login] : logins.items()) {
        if (!names(key, registry)) {
            continue;
        }
        if (const std::string token = text_at(login, "identitytoken"); !token.empty()) {
            return encoded(json_text(Json{{"identitytoken", token}, {"serveraddress", key}}));
        }
        const auto pair = decoded(text_at(login, "auth"));
        const std::size_t colon = pair ? pair->find(':') : std::string::npos;
        if (colon == std::string::npos) {
            continue;
        }
        return encoded(json_text(Json{
            {"username", pair->substr(0, colon)},
            {"password", pair->substr(colon + 1)},
            {"serveraddress", key},
        }));
    }
    return {};
}

}  // namespace nova::runtime

// The key file.
#include "app/provider_secrets.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include "core/random.hpp"
#include "store/files.hpp"

namespace nova::app {
namespace {

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kMostKeyFile = 1024;

Result<Secret> read_key(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) == 0 && (status.st_mode & 0077U) != 0) {
        return fail(
            ErrorCode::unauthorized, fmt::format("Others may read {}.", path),
            fmt::format("chmod 600 {}, and enter the providers' keys again.", path)
        );
    }
    auto text = store::read_small_file(path, kMostKeyFile);
    if (!text) {
        return propagate(text);
    }
    while (text->ends_with('\n')) {
        text->pop_back();
    }
    return Secret{std::move(*text)};
}

}  // namespace

Result<void> ProviderSecrets::need_box(bool make) {
    if (box_) {
        return {};
    }
    auto key = read_key(key_file_);
    if (!key && key.error().code == ErrorCode::not_found && make) {
        key = Secret{random_hex(kKeyBytes)};
        const auto written = store::write_file_atomically(key_file_, key->reveal() + "\n");
        if (!written) {
            return propagate(written);
        }
    }
    if (!key) {
        return propagate(key);
    }
    log_.redactor().add_secret(key->reveal());
    auto box = net::SealedBox::from_hex(*key);
    if (!box) {
        return propagate(box, key_file_);
    }
    box_ = std::move(*box);
    return {};
}

Result<std::string> ProviderSecrets::seal(const Secret& secret, std::string_view label) {
    log_.redactor().add_secret(secret.reveal());
    if (const auto ready = need_box(true); !ready) {
        return propagate(ready);
    }
    return box_->seal(secret, label);
}

Result<Secret> ProviderSecrets::open(std::string_view sealed, std::string_view label) {
    if (const auto ready = need_box(false); !ready) {
        if (ready.error().code != ErrorCode::not_found) {
            return propagate(ready);
        }
        return fail(
            ErrorCode::corrupt,
            fmt::format("{} is gone, so the key cannot be decrypted.", key_file_),
            "Enter the key again."
        );
    }
    auto secret = box_->open(sealed, label);
    if (secret) {
        log_.redactor().add_secret(secret->reveal());
    }
    return secret;
}

}  // namespace nova::app

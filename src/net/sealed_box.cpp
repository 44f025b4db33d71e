// OpenSSL's AES-256-GCM. A box is "v1." and the hex of nonce, tag and cipher text.
#include "net/sealed_box.hpp"

#include <cstddef>
#include <memory>
#include <optional>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "core/random.hpp"

namespace nova::net {
namespace {

constexpr std::string_view kVersion = "v1.";
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* room_in(std::string& text) {
    return reinterpret_cast<unsigned char*>(text.data());
}

int length_of(std::string_view text) {
    return static_cast<int>(text.size());
}

std::optional<unsigned> digit_of(char c) {
    if (c >= '0' && c <= '9') {
        return static_cast<unsigned>(c - '0');
    }
    if (c >= 'a' && c <= 'f') {
        return static_cast<unsigned>(c - 'a') + 10U;
    }
    return std::nullopt;
}

std::optional<std::string> from_hex_text(std::string_view hex) {
    if (hex.size() % 2 != 0) {
        return std::nullopt;
    }
    std::string bytes;
    for (std::size_t i = 0; i < hex.size(); i += 2) {
        const auto high = digit_of(hex[i]);
        const auto low = digit_of(hex[i + 1]);
        if (!high || !low) {
            return std::nullopt;
        }
        bytes += static_cast<char>(*high * 16U + *low);
    }
    return bytes;
}

std::string to_hex(std::string_view bytes) {
    std::string hex;
    for (const char byte : bytes) {
        hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    }
    return hex;
}

Cipher new_cipher() {
    Cipher cipher{EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free};
    NOVA_CHECK(cipher != nullptr);
    return cipher;
}

std::unexpected<Error> does_not_open() {
    return fail(
        ErrorCode::corrupt, "A stored secret cannot be decrypted.",
        "It was made with another secret.key; enter the secret again."
    );
}

}  // namespace

Result<SealedBox> SealedBox::from_hex(const Secret& key) {
    auto bytes = from_hex_text(key.reveal());
    if (!bytes || bytes->size() != kKeyBytes) {
        return fail(ErrorCode::corrupt, "The key is not 64 hex digits.");
    }
    return SealedBox{*std::move(bytes)};
}

std::string SealedBox::seal(const Secret& clear, std::string_view label) const {
    const std::string nonce = from_hex_text(random_hex(kNonceBytes)).value_or("");
    NOVA_CHECK(nonce.size() == kNonceBytes);
    const std::string& text = clear.reveal();
    std::string sealed(text.size(), '\0');
    std::string tag(kTagBytes, '\0');
    const Cipher cipher = new_cipher();
    int size = 0;
    NOVA_CHECK(
        EVP_EncryptInit_ex(
            cipher.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key_.reveal()), bytes_of(nonce)
        ) == 1
    );
    NOVA_CHECK(
        EVP_EncryptUpdate(cipher.get(), nullptr, &size, bytes_of(label), length_of(label)) == 1
    );
    NOVA_CHECK(
        EVP_EncryptUpdate(cipher.get(), room_in(sealed), &size, bytes_of(text), length_of(text)) ==
        1
    );
    NOVA_CHECK(EVP_EncryptFinal_ex(cipher.get(), room_in(tag), &size) == 1);
    NOVA_CHECK(
        EVP_CIPHER_CTX_ctrl(
            cipher.get(), EVP_CTRL_GCM_GET_TAG, static_cast<int>(kTagBytes), tag.data()
        ) == 1
    );
    return std::string{kVersion} + to_hex(nonce + tag + sealed);
}

Result<Secret> SealedBox::open(std::string_view sealed, std::string_view label) const {
    if (!sealed.starts_with(kVersion)) {
        return does_not_open();
    }
    const auto box = from_hex_text(sealed.substr(kVersion.size()));
    if (!box || box->size() < kNonceBytes + kTagBytes) {
        return does_not_open();
    }
    const std::string_view whole{*box};
    const std::string_view nonce = whole.substr(0, kNonceBytes);
    std::string tag{whole.substr(kNonceBytes, kTagBytes)};
    const std::string_view hidden = whole.substr(kNonceBytes + kTagBytes);
    std::string clear(hidden.size(), '\0');
    const Cipher cipher = new_cipher();
    int size = 0;
    NOVA_CHECK(
        EVP_DecryptInit_ex(
            cipher.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key_.reveal()), bytes_of(nonce)
        ) == 1
    );
    NOVA_CHECK(
        EVP_DecryptUpdate(cipher.get(), nullptr, &size, bytes_of(label), length_of(label)) == 1
    );
    NOVA_CHECK(
        EVP_DecryptUpdate(
            cipher.get(), room_in(clear), &size, bytes_of(hidden), length_of(hidden)
        ) == 1
    );
    NOVA_CHECK(
        EVP_CIPHER_CTX_ctrl(
            cipher.get(), EVP_CTRL_GCM_SET_TAG, static_cast<int>(kTagBytes), tag.data()
        ) == 1
    );
    unsigned char rest[kTagBytes];
    if (EVP_DecryptFinal_ex(cipher.get(), rest, &size) != 1) {
        return does_not_open();
    }
    return Secret{std::move(clear)};
}

}  // namespace nova::net

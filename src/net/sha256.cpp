// OpenSSL's, which uses the processor's own instructions: weights have tens of gigabytes.
#include "net/sha256.hpp"

#include <array>

#include <fmt/format.h>
#include <openssl/evp.h>

#include "core/result.hpp"

namespace nova::net {

struct Sha256::State {
    State() : digest{EVP_MD_CTX_new()} {
        NOVA_CHECK(digest != nullptr);
        NOVA_CHECK(EVP_DigestInit_ex(digest, EVP_sha256(), nullptr) == 1);
    }

    State(const State&) = delete;
    State& operator=(const State&) = delete;

    ~State() { EVP_MD_CTX_free(digest); }

    EVP_MD_CTX* digest;
};

Sha256::Sha256() : state_{std::make_unique<State>()} {}

Sha256::Sha256(Sha256&& other) noexcept = default;
Sha256& Sha256::operator=(Sha256&& other) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(std::string_view bytes) {
    NOVA_CHECK(EVP_DigestUpdate(state_->digest, bytes.data(), bytes.size()) == 1);
}

std::string Sha256::finish() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
    unsigned size = 0;
    NOVA_CHECK(EVP_DigestFinal_ex(state_->digest, raw.data(), &size) == 1);
    std::string hex;
    for (unsigned i = 0; i < size; ++i) {
        hex += fmt::format("{:02x}", raw[i]);
    }
    return hex;
}

Sha256Digest sha256_of(std::string_view bytes) {
    // Fetched once: EVP_sha256() would look the algorithm up again with every call, under a lock.
    static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    NOVA_CHECK(algorithm != nullptr);
    Sha256Digest digest{};
    unsigned size = 0;
    NOVA_CHECK(
        EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, algorithm, nullptr) == 1
    );
    NOVA_CHECK(size == digest.size());
    return digest;
}

}  // namespace nova::net

// Secrets at rest: AES-256-GCM, so that a changed or exchanged box does not open.
#pragma once

#include <string>
#include <string_view>

#include "core/result.hpp"
#include "core/secret.hpp"

namespace nova::net {

class SealedBox {
public:
    // key: 64 hex digits, as random_hex(32) makes them. Error: corrupt.
    static Result<SealedBox> from_hex(const Secret& key);

    // Text that may stand in a document. label: where it stands ("provider/openai"); a box opens
    // under its own label only.
    std::string seal(const Secret& clear, std::string_view label) const;
    // Error: corrupt; another key, another label, or changed bytes: which of them nobody can tell.
    Result<Secret> open(std::string_view sealed, std::string_view label) const;

private:
    explicit SealedBox(std::string key) : key_{std::move(key)} {}

    Secret key_;  // 32 bytes
};

}  // namespace nova::net

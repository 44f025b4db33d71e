// The keys of providers at rest: sealed with DIR/secret.key, which is in no backup (decisions.md
// 4.6).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/log.hpp"
#include "net/sealed_box.hpp"

namespace nova::app {

// Control thread only. Whatever is sealed or opened is blacked out in logs from then on.
class ProviderSecrets {
public:
    // log outlives it. key_file: made (0600) when the first secret is sealed.
    ProviderSecrets(std::string key_file, Log& log) : key_file_{std::move(key_file)}, log_{log} {}

    // Errors: precondition: the file cannot be written; unauthorized: others may read it; corrupt.
    Result<std::string> seal(const Secret& secret, std::string_view label);
    // Errors: corrupt: sealed with another key file, or that file is gone.
    Result<Secret> open(std::string_view sealed, std::string_view label);

private:
    Result<void> need_box(bool make);

    std::string key_file_;
    Log& log_;
    std::optional<net::SealedBox> box_;
};

}  // namespace nova::app

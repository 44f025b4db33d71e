// Who may use the control API: whoever knows the admin secret. Guessing is slowed down.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "core/clock.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"
#include "net/connection.hpp"
#include "net/http_message.hpp"

namespace nova::recovery {

// Single-threaded (control thread).
class AdminAuth {
public:
    // clock must outlive it. An empty secret admits nobody.
    AdminAuth(Secret secret, const Clock& clock);

    // Looks at X-Admin-Secret, else at Authorization: Bearer. A correct secret passes whatever the
    // address did before (decisions.md 4.9): nobody is locked out by somebody else's attempts.
    // Errors: unauthorized (missing or wrong), rate_limited with retry_after (wrong too often).
    Result<void> check(const net::Headers& headers, const net::Peer& peer);

private:
    struct Failures {
        std::uint32_t count = 0;
        TimePoint last{};
    };

    Error refuse_wrong(const std::string& address);
    void forget_old();

    Secret secret_;
    const Clock& clock_;
    std::map<std::string, Failures, std::less<>> failures_;
};

}  // namespace nova::recovery

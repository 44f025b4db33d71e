// Checking the admin secret, and counting wrong ones per address.
#include "recovery/admin_auth.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

namespace nova::recovery {
namespace {

constexpr std::uint32_t kFreeAttempts = 5;        // a person mistypes; a script does not stop at 5
constexpr std::chrono::seconds kForgetAfter{60};  // quiet time after which an address starts anew
constexpr std::size_t kMaxAddresses = 1024;       // bounds memory under a flood of addresses

constexpr std::string_view kRemedy =
    "Send the secret of the data directory (DIR/admin-secret) as X-Admin-Secret.";

std::string_view presented(const net::Headers& headers) {
    if (headers.has("X-Admin-Secret")) {
        return headers.find("X-Admin-Secret");
    }
    const std::string_view value = headers.find("Authorization");
    constexpr std::string_view kScheme = "Bearer ";
    if (value.size() > kScheme.size() &&
        net::equal_ignoring_case(value.substr(0, kScheme.size()), kScheme)) {
        return value.substr(kScheme.size());
    }
    return {};
}

}  // namespace

AdminAuth::AdminAuth(Secret secret, const Clock& clock)
    : secret_{std::move(secret)}, clock_{clock} {}

Result<void> AdminAuth::check(const net::Headers& headers, const net::Peer& peer) {
    const std::string_view candidate = presented(headers);
    if (secret_.matches(candidate)) {
        return {};
    }
    if (candidate.empty()) {
        return fail(
            ErrorCode::unauthorized, "This route needs the admin secret.", std::string{kRemedy}
        );
    }
    return std::unexpected<Error>{refuse_wrong(peer.address)};
}

Error AdminAuth::refuse_wrong(const std::string& address) {
    forget_old();
    Failures& failures = failures_[address];
    failures.last = clock_.now();
    ++failures.count;
    if (failures.count > kFreeAttempts) {
        return Error{
            .code = ErrorCode::rate_limited,
            .message = fmt::format("Too many wrong admin secrets from {}.", address),
            .word = {},
            .remedy = "Wait a minute, then send the right secret.",
            .retry_after = kForgetAfter
        };
    }
    return Error{
        .code = ErrorCode::unauthorized,
        .message = "The admin secret is wrong.",
        .word = {},
        .remedy = std::string{kRemedy}
    };
}

void AdminAuth::forget_old() {
    const TimePoint limit = clock_.now() - kForgetAfter;
    std::erase_if(failures_, [limit](const auto& row) { return row.second.last <= limit; });
    if (failures_.size() >= kMaxAddresses) {
        const auto oldest = std::ranges::min_element(failures_, {}, [](const auto& row) {
            return row.second.last;
        });
        failures_.erase(oldest);
    }
}

}  // namespace nova::recovery

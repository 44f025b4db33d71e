// How a request that nobody answered ends for its client: in its own dialect, with its ids.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include "core/task.hpp"
#include "gateway/relay_job.hpp"
#include "gateway/server_timing.hpp"

namespace nova::gateway {

// Fields of nova's own on every answer; views into the job, the upstream and the object. Its time
// is that of its making: make it when the answer is there to be sent.
class OwnFields {
public:
    // upstream: who answers; empty: nobody did.
    OwnFields(RelayJob& job, const Upstream* upstream);
    OwnFields(const OwnFields&) = delete;
    OwnFields& operator=(const OwnFields&) = delete;

    std::span<const net::HeaderView> view() const { return {fields_.data(), used_}; }

private:
    void add(std::string_view name, std::string_view value) { fields_.at(used_++) = {name, value}; }

    std::array<net::HeaderView, 8> fields_{};
    std::size_t used_ = 0;
    ServerTiming timing_;
};

// The answer to a request that ends in an error before anything of an answer was sent.
Task<void> answer_error(RelayJob& job, const Error& error);

// The plan's own refusal: no such model, loading.
Task<void> answer_refusal(RelayJob& job);

// What to say when every attempt failed: the only one's error, or one that names them all. 429 and
// 504 where that is what all of them said, 503 when none could even be asked, else 502.
Error error_of_all(const RelayJob& job);

}  // namespace nova::gateway

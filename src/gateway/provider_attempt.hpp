// One attempt at one provider: its request, its connection, and how it ended.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/breaker.hpp"
#include "gateway/leave_permit.hpp"
#include "gateway/provider_request.hpp"

namespace nova::gateway {

// An answer of 300 and up of a provider that speaks the client's dialect, whole: the client gets it
// as it came when nobody else has a better one.
struct Refusal {
    int status = 0;
    std::string content_type;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
};

// Everything one attempt needs; on a coroutine's frame, so that every exit cleans up.
class Attempt {
public:
    // permit: of the provider's breaker, null for the local ones.
    Attempt(
        RelayJob& the_job, std::shared_ptr<const Upstream> the_upstream,
        const ProviderRequest& the_request, Breaker::Permit* permit
    );
    Attempt(const Attempt&) = delete;
    Attempt& operator=(const Attempt&) = delete;
    ~Attempt();

    std::string_view body() const {
        return request.as_it_came ? std::string_view{job.body} : std::string_view{request.text};
    }

    // From now on no other provider may answer.
    void commit(int status);
    // Until when the provider has to begin its answer, and to say the next thing.
    TimePoint head_by() const;
    TimePoint read_by() const;
    void count_bytes(const net::UpstreamConnection& from);
    // What a failed read or write of the upstream means; error is set.
    Ending failed(Error reason);
    Ending ended(Ended how, Error reason);
    Ending client_left();
    Ending served() const;

    RelayJob& job;
    WorkerState& worker;
    std::shared_ptr<const Upstream> upstream;
    const ProviderRequest& request;
    ActiveRelay active{};
    bool committed = false;
    Error error{};  // why, unless it was served
    std::optional<std::chrono::seconds> retry_after{};
    std::optional<Refusal> refusal{};

private:
    TimePoint bounded(TimePoint by) const;

    Breaker::Permit* permit_;
    UpstreamMeter* meter_;
    std::uint64_t metered_ = 0;  // of the connection's bytes_received()
    TimePoint began_;
};

// What a provider says of a failure may quote the key it was given, or another nova holds.
std::string without_secrets(const Attempt& attempt, std::string_view text);

// Runs it to its end. The answer, and after content also its failure, has gone to the client; the
// exchange is left for the caller to end.
Task<Ending> run_attempt(Attempt& attempt);

}  // namespace nova::gateway

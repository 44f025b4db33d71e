// One request on its way through the gateway: what all attempts at its answer share.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dialect/chat_request.hpp"
#include "gateway/attempts.hpp"
#include "gateway/gatekeeper.hpp"
#include "gateway/relay_route.hpp"
#include "gateway/request_peek.hpp"
#include "gateway/request_record.hpp"
#include "gateway/router.hpp"
#include "gateway/running_request.hpp"
#include "gateway/worker_state.hpp"
#include "net/exchange.hpp"

namespace nova::gateway {

// A provider that was asked, or could not be, and gave no answer.
struct GivenUp {
    std::string who;   // as X-Nova-Route names it
    std::string word;  // why
    Error error;
};

// Lives on the relay's coroutine frame; the observer hears of it when it is destroyed, whatever way
// the request ended.
class RelayJob {
public:
    RelayJob(net::Exchange& the_exchange, WorkerState& the_worker, const RelayRoute& the_route);
    RelayJob(const RelayJob&) = delete;
    RelayJob& operator=(const RelayJob&) = delete;
    ~RelayJob();

    // The reader's codec of the client's dialect; for completions and responses OpenAI's.
    const dialect::Codec& codec() const;
    // The request in neutral form, read once. Error: invalid_argument.
    Result<const dialect::ChatRequest*> chat_request();
    // A client may leave the model to us: it is the one that is served here, else a cloud's own.
    void choose_model();

    // Counts it against its key's limits. Error: rate_limited.
    Result<void> enter();

    void give_up(const Upstream& upstream, Error error);
    // "local(timeout) -> openai", for an answer of that upstream; empty one: nobody.
    std::string_view route_text(const Upstream* upstream);

    void first_content() {
        if (!first_content_at) {
            first_content_at = worker.clock.now();
        }
    }

    // Since its provider was asked, while it has not begun to answer; else nothing.
    std::chrono::nanoseconds asking_for(TimePoint now) const {
        return asked_at ? now - *asked_at : std::chrono::nanoseconds{0};
    }

    // Did that provider read less than the client sent, as far as is known by now (trap 87).
    bool prompt_was_cut(const Upstream& upstream);

    RunningRequest describe() const;

    // How the request ends, as the record will say.
    void ends(RequestEnd how, int with_status) {
        end = how;
        status = with_status;
    }

    net::Exchange& exchange;
    WorkerState& worker;
    const RelayRoute& route;
    std::shared_ptr<const Access> access;
    std::string request_id;
    std::string body;
    RequestPeek peek;
    bool stream = false;
    RoutePlan plan;
    std::vector<GivenUp> given_up;
    std::string passed_over;  // "local(starting)": who would have been first
    std::string left_out;     // what its provider was not told, for the client to read

    // ---- for the record
    RequestEnd end = RequestEnd::client_left;
    int status = 0;
    std::shared_ptr<const Upstream> answering;  // who was asked last
    std::string upstream_model;
    std::uint32_t attempts = 0;
    TimePoint began;
    std::optional<TimePoint> first_content_at{};
    std::chrono::nanoseconds upstream_time{0};
    std::optional<TimePoint> asked_at{};  // the attempt under way, until it has begun to answer
    dialect::Usage usage{};
    bool usage_counted = false;
    std::uint64_t answer_bytes = 0;  // that the provider has sent so far
    std::size_t place = 0;           // index in WorkerState::jobs

private:
    void tell();

    WallTime began_at_{};
    bool entered_ = false;
    std::string route_text_;
    std::unique_ptr<Result<dialect::ChatRequest>> chat_request_;  // large, and rarely needed
};

// "local" and "embed" for the slots of this machine, else the provider: "openai".
std::string_view route_name(const Upstream& upstream);

}  // namespace nova::gateway

// Errors, rendered.
#include "gateway/relay_errors.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"

namespace nova::gateway {
namespace {

// One more member in a rendered object.
void add_member(std::string& object, std::string_view name, const nlohmann::json& value) {
    const std::size_t end = object.rfind('}');
    if (end != std::string::npos) {
        object.insert(end, fmt::format(R"(,"{}":{})", name, json_text(value)));
    }
}

nlohmann::json loading_json(const Loading& loading) {
    nlohmann::json value{{"phase", loading.phase}};
    if (loading.progress) {
        value["progress"] = *loading.progress;
    }
    if (loading.eta_s) {
        value["eta_s"] = *loading.eta_s;
    }
    return value;
}

int status_of(const Error& error) {
    // The one status the policy table cannot know: who was late, we or the client.
    return error.word == "request_timeout" ? 408 : policy(error.code).http_status;
}

// Of a key that is at its limit; a provider's own 429 has the provider's.
RateState rates_of(const RelayJob& job, const Error& error) {
    const bool own = error.code == ErrorCode::rate_limited && job.attempts == 0 && job.access &&
                     job.worker.ports.gatekeeper != nullptr;
    return own ? job.worker.ports.gatekeeper->rates(*job.access) : RateState{};
}

Task<void> send(RelayJob& job, const Error& error, std::string body) {
    const OwnFields own{job, nullptr};
    std::vector<net::HeaderView> headers{own.view().begin(), own.view().end()};
    std::string seconds;
    if (error.retry_after) {
        seconds = std::to_string(error.retry_after->count());
        headers.push_back({"Retry-After", seconds});
    }
    const RateFields rates{rates_of(job, error)};
    headers.insert(headers.end(), rates.view().begin(), rates.view().end());
    const int status = status_of(error);
    job.status = status;
    ignore(
        co_await job.exchange.respond(status, "application/json", body, headers),
        "the client may be gone"
    );
}

bool all_said(const std::vector<GivenUp>& given_up, ErrorCode code) {
    return std::ranges::all_of(given_up, [code](const GivenUp& one) {
        return one.error.code == code;
    });
}

}  // namespace

OwnFields::OwnFields(RelayJob& job, const Upstream* upstream) {
    add("X-Request-Id", job.request_id);
    if (upstream != nullptr) {
        add("X-Nova-Provider", upstream->provider);
        add("X-Nova-Model", job.upstream_model.empty() ? job.peek.model : job.upstream_model);
    }
    if (upstream != nullptr || !job.given_up.empty()) {
        add("X-Nova-Route", job.route_text(upstream));
    }
    if (upstream != nullptr && !job.left_out.empty()) {
        add("X-Nova-Left-Out", job.left_out);
    }
    if (upstream != nullptr && job.prompt_was_cut(*upstream)) {
        add("X-Nova-Truncated", "prompt");
    }
    if (job.plan.waited_as_preferred) {
        add("Preference-Applied", "wait");
    }
    const TimePoint now = job.worker.clock.now();
    timing_ = ServerTiming{now - job.began, job.upstream_time + job.asking_for(now)};
    fields_.at(used_++) = timing_.field();
}

Task<void> answer_error(RelayJob& job, const Error& error) {
    std::string body = job.codec().write_error(error);
    if (job.given_up.size() > 1) {
        nlohmann::json attempts = nlohmann::json::array();
        for (const GivenUp& one : job.given_up) {
            attempts.push_back({{"provider", one.who}, {"code", one.word}});
        }
        add_member(body, "attempts", attempts);
    }
    co_await send(job, error, std::move(body));
}

Task<void> answer_refusal(RelayJob& job) {
    job.worker.counters.refused.fetch_add(1, std::memory_order_relaxed);
    Error error = *job.plan.refusal;
    std::string body = job.codec().write_error(error);
    if (job.plan.loading) {
        add_member(body, "loading", loading_json(*job.plan.loading));
        error.retry_after = error.retry_after.value_or(std::chrono::seconds{2});
    }
    job.end = RequestEnd::refused;
    co_await send(job, error, std::move(body));
}

Error error_of_all(const RelayJob& job) {
    const auto& given_up = job.given_up;
    NOVA_CHECK(!given_up.empty());
    if (given_up.size() == 1) {
        return given_up.front().error;
    }
    std::vector<std::string> said;
    std::optional<std::chrono::seconds> soonest;
    for (const GivenUp& one : given_up) {
        said.push_back(fmt::format("{} ({})", one.who, one.word));
        if (one.error.retry_after) {
            soonest = std::min(soonest.value_or(*one.error.retry_after), *one.error.retry_after);
        }
    }
    Error error{
        .code = ErrorCode::upstream_failed,
        .message = fmt::format("No provider answered: {}.", fmt::join(said, ", ")),
        .word = "all_providers_failed",
        .retry_after = soonest,
    };
    for (const ErrorCode code :
         {ErrorCode::rate_limited, ErrorCode::timeout, ErrorCode::unavailable}) {
        if (all_said(given_up, code)) {
            error.code = code;
        }
    }
    return error;
}

}  // namespace nova::gateway

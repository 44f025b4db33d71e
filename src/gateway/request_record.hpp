// What is known of a request when it has ended: for the access log, metrics and the usage ledger.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.hpp"
#include "dialect/chat_event.hpp"
#include "dialect/codec.hpp"

namespace nova::gateway {

enum class RequestEnd : std::uint8_t {
    served,  // whole
    client_left,
    refused,  // by nova: key, limit, no such model, bad request, loading
    failed,   // every provider did, or the one that had begun
    cut,      // by a stop or a switch
};

// No prompt, no answer, no secret. The views live as long as the call that hands it over.
struct RequestRecord {
    std::string_view request_id;
    std::string_view route;      // "/v1/chat/completions": the pattern, not what was asked
    std::string_view operation;  // chat, text_completion, embeddings (OpenTelemetry's words)
    std::string_view model;      // as the client wrote it; at most 256 bytes
    std::string_view provider;   // who answered or failed last; empty: nobody was asked
    std::string_view upstream_model;
    std::string_view key_id;
    std::string_view key_name;
    std::string_view why;  // X-Nova-Route: "local(unavailable) -> openai"
    RequestEnd end = RequestEnd::served;
    int status = 0;  // of the answer that began, or of the refusal
    bool stream = false;
    bool local = false;  // the provider is
    std::uint32_t attempts = 0;
    WallTime began_at{};
    std::chrono::nanoseconds total{0};
    std::optional<std::chrono::nanoseconds> first_content{};  // since the request came
    std::chrono::nanoseconds upstream{0};                     // of total: waiting for the provider
    dialect::Usage usage{};
    bool usage_counted = false;  // true: the provider did not say, pieces were counted
    bool prompt_cut = false;     // true: its provider read less than the client sent
};

// One per worker, on its thread; returns at once (off the hot path means: it queues).
class RequestObserver {
public:
    virtual ~RequestObserver() = default;
    virtual void ended(const RequestRecord& record) = 0;
    // A provider was given up and another, or nobody, comes next. word: of the error.
    virtual void gave_up(std::string_view provider, std::string_view word) = 0;
};

}  // namespace nova::gateway

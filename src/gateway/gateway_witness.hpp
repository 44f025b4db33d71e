// For tests: what a worker told, and what an engine says.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "gateway/policy.hpp"
#include "gateway/request_record.hpp"

namespace nova::gateway::testing {

// A piece of content, as engines stream it. Nothing leaves the gateway before the first.
inline std::string event_of(std::string_view text) {
    return fmt::format(
        "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{}\"}},"
        "\"finish_reason\":null}}]}}\n\n",
        text
    );
}

// What the observer heard of one request.
struct Heard {
    std::string request_id;
    std::string route;
    std::string model;
    std::string provider;
    std::string upstream_model;
    std::string why;
    RequestEnd end = RequestEnd::served;
    int status = 0;
    bool stream = false;
    bool local = false;
    std::uint32_t attempts = 0;
    dialect::Usage usage{};
    bool usage_counted = false;
    bool prompt_cut = false;
};

class Listening final : public RequestObserver {
public:
    void ended(const RequestRecord& record) override {
        all.push_back(Heard{
            .request_id = std::string{record.request_id},
            .route = std::string{record.route},
            .model = std::string{record.model},
            .provider = std::string{record.provider},
            .upstream_model = std::string{record.upstream_model},
            .why = std::string{record.why},
            .end = record.end,
            .status = record.status,
            .stream = record.stream,
            .local = record.local,
            .attempts = record.attempts,
            .usage = record.usage,
            .usage_counted = record.usage_counted,
            .prompt_cut = record.prompt_cut,
        });
    }

    void gave_up(std::string_view provider, std::string_view word) override {
        given_up.push_back(fmt::format("{}({})", provider, word));
    }

    std::vector<Heard> all;
    std::vector<std::string> given_up;
};

class Told final : public GatewayEvents {
public:
    void connect_refused(const UpstreamId& upstream) override { refused.push_back(upstream); }

    void wake(const SlotName& slot) override { woken.push_back(slot); }

    bool missed(Reach reach) override {
        reached.push_back(reach);
        return looks;
    }

    std::vector<UpstreamId> refused;
    std::vector<SlotName> woken;
    std::vector<Reach> reached;  // for models that were missed
    bool looks = false;          // somebody does
};

}  // namespace nova::gateway::testing

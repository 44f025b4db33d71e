// Talks to engines over HTTP: is it ready, what does it serve, make it load.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lifecycle/ports.hpp"
#include "net/http_client.hpp"

namespace nova::lifecycle {

class HttpEngineClient final : public EngineClient {
public:
    // tls: for custom servers over https; may be nullptr. Both outlive the client.
    explicit HttpEngineClient(Clock& clock, net::TlsClient* tls = nullptr);

    Task<ProbeResult> probe(ProbeTarget target, Deadline deadline) override;
    Task<Result<ServedModels>> models(ProbeTarget target, Deadline deadline) override;
    // Ollama: a model that is a file is uploaded once and created under its id, then loaded into
    // memory. Error not_found: Ollama does not have the model and there is no file.
    Task<Result<void>>
    load(ProbeTarget target, engine::ResolvedModel model, runtime::ProgressSink progress) override;
    // Ollama: at once when the model is idle, else when its last request has ended.
    Task<Result<void>> unload(ProbeTarget target, std::string model, Deadline deadline) override;

    Task<std::optional<std::uint64_t>> counters(ProbeTarget target, Deadline deadline) override;
    Task<bool>
    canary(ProbeTarget target, std::string api_base, std::string model, Deadline deadline) override;

private:
    Task<Result<net::FetchResponse>>
    get(const ProbeTarget& target, std::string path, Deadline deadline);
    Task<Result<net::FetchResponse>>
    post(const ProbeTarget& target, std::string path, std::string body, Deadline deadline);
    Task<Result<void>> create_from_file(
        ProbeTarget target, engine::ResolvedModel model, runtime::ProgressSink progress
    );

    Clock& clock_;
    net::TlsClient* tls_;
};

// Prometheus text: the sum of the samples with these names, labels or not; empty when there is
// none.
std::optional<std::uint64_t>
counter_sum(std::string_view text, const std::vector<std::string>& names);

// What a list of models holds: OpenAI's {"data": [{"id"}]} or Ollama's {"models": [{"name"}]}
// without the entries that would be answered by a cloud. Error: upstream_failed.
Result<std::vector<std::string>> model_ids(std::string_view body, engine::Protocol protocol);

}  // namespace nova::lifecycle

// Turns MODEL into something an engine can load: found on this machine, or fetched to it.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "app/file_thread.hpp"
#include "app/ollama_weights.hpp"
#include "catalog/hub_models.hpp"
#include "lifecycle/ports.hpp"

namespace nova::app {

// Control thread.
class ModelWeights final : public lifecycle::Weights {
public:
    struct Parts {
        std::filesystem::path base;  // the data directory; relative paths count from it
        catalog::HubAddress hub;
        catalog::DownloadLimits limits;
        std::function<std::optional<Endpoint>()> running_ollama;
        PrepareInstance::Parts helper;
    };

    explicit ModelWeights(Parts parts);
    ~ModelWeights() override;

    // Paths, hf.co/org/repo[:QUANT], files of a hub or the web, Ollama tags, repository ids, names
    // of custom servers. A cancel keeps what was downloaded.
    Task<Result<engine::ResolvedModel>>
    ensure(engine::BackendSpec spec, runtime::ProgressSink progress) override;

    // Ends helpers that a killed nova left behind.
    Task<void> reap() { return helper_.reap(); }

    // Before destruction: ends what is left of transfers and helpers.
    Task<void> leave();

private:
    struct Hub;
    struct Fetch;

    static void tell_now(Fetch& fetch);
    Task<void> tell_of(std::shared_ptr<Fetch> fetch);
    Task<Result<engine::ResolvedModel>>
    fetch(catalog::HubWish wish, engine::ResolvedModel model, runtime::ProgressSink progress);

    std::filesystem::path base_;
    Clock& clock_;
    FileThread files_;
    TaskGroup telling_;
    std::shared_ptr<Hub> hub_;
    PrepareInstance helper_;
    OllamaWeights ollama_;
};

}  // namespace nova::app

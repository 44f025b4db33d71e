// Models of Ollama's registry, pulled by an Ollama: the one that serves, or a helper beside it.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "app/prepare_instance.hpp"

namespace nova::app {

// Control thread.
class OllamaWeights {
public:
    struct Parts {
        Clock& clock;
        std::filesystem::path store;                       // what OLLAMA_MODELS names
        std::function<std::optional<Endpoint>()> running;  // an Ollama nova runs, if any
        PrepareInstance& helper;
        std::chrono::seconds stall{60};
        unsigned attempts = 4;
        std::chrono::milliseconds pause{1000};  // doubled each time
    };

    explicit OllamaWeights(Parts parts) : parts_{std::move(parts)} {}

    // At once when all of the model is in the store. A cancel closes the connection: Ollama keeps
    // what it has and goes on with it the next time. Errors: not_found, forbidden, exhausted,
    // unavailable, timeout (stalled), unsupported; those of the helper.
    Task<Result<Bytes>> ensure(std::string name, runtime::ProgressSink progress);

private:
    Task<Result<bool>> lists(Endpoint server, std::string name);
    Task<Result<void>> pull_once(Endpoint server, std::string name, runtime::ProgressSink progress);
    Task<Result<void>> attempt(std::string name, runtime::ProgressSink progress);

    Parts parts_;
};

}  // namespace nova::app

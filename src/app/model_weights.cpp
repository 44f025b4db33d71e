// Model references against disk and network: what is wrong with a file is said before any start.
#include "app/model_weights.hpp"

#include <mutex>
#include <optional>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "catalog/gguf.hpp"
#include "catalog/model_ref.hpp"

namespace nova::app {
namespace {

constexpr std::chrono::milliseconds kLook{250};  // at how far a download is
constexpr int kIdleLooks = 60;                   // longer than any rate reaches back

struct Resolver {
    const std::filesystem::path& base;
    const catalog::ModelRef& reference;

    Result<engine::ResolvedModel> operator()(const catalog::GgufPath& model) const {
        const auto path = catalog::resolve_model_path(model, base, {});
        if (!path) {
            return propagate(path);
        }
        const auto facts = catalog::read_gguf_model(*path);
        if (!facts) {
            return propagate(facts);
        }
        return engine::ResolvedModel{
            .id = catalog::public_id(reference),
            .path = path->string(),
            .size = facts->actual_file,
            .context_length = facts->context_length.value_or(0),
        };
    }

    Result<engine::ResolvedModel> operator()(const catalog::FolderPath& model) const {
        const auto path = catalog::resolve_model_path(model, base, {});
        if (!path) {
            return propagate(path);
        }
        return named(path->string());
    }

    // Fetched, or the engine's own: there is nothing to look at yet.
    template <class Other>
    Result<engine::ResolvedModel> operator()(const Other& /*model*/) const {
        return named({});
    }

    engine::ResolvedModel named(std::string path) const {
        return {
            .id = catalog::public_id(reference),
            .path = std::move(path),
            .size = {},
            .context_length = 0,
        };
    }
};

// What nova fetches itself; Ollama pulls a repository through its own server.
std::optional<catalog::HubWish> hub_wish(const catalog::ModelRef& model, const EngineName& engine) {
    if (const auto* quantized = std::get_if<catalog::HubGguf>(&model)) {
        return engine.value == "ollama" ? std::nullopt
                                        : std::optional<catalog::HubWish>{*quantized};
    }
    if (const auto* file = std::get_if<catalog::HubFile>(&model)) {
        return *file;
    }
    if (const auto* url = std::get_if<catalog::GgufUrl>(&model)) {
        return *url;
    }
    return std::nullopt;
}

bool is_ollamas_own(const catalog::ModelRef& model, const EngineName& engine) {
    return engine.value == "ollama" && (std::holds_alternative<catalog::OllamaTag>(model) ||
                                        std::holds_alternative<catalog::HubGguf>(model));
}

}  // namespace

// Shared with the file thread, which may outlive a call by a moment after a cancel.
struct ModelWeights::Fetch {
    // Control thread; the model is the file thread's until it has ended.
    runtime::ProgressSink sink;
    bool wanted = true;
    catalog::DownloadProgress told;
    int idle = 0;
    Result<engine::ResolvedModel> model;

    std::mutex mutex;
    catalog::DownloadProgress latest;
};

// Lives on the file thread once it is made.
struct ModelWeights::Hub {
    Hub(const Parts& parts)
        : web{clock, &tls, parts.hub}, models{clock, web, parts.base / "models", parts.limits} {}

    SystemClock clock;
    net::TlsClient tls;
    catalog::WebAccess web;
    catalog::HubModels models;
};

ModelWeights::ModelWeights(Parts parts)
    : base_{parts.base}, clock_{parts.helper.clock}, files_{parts.helper.executor},
      telling_{parts.helper.executor}, hub_{std::make_shared<Hub>(parts)}, helper_{parts.helper},
      ollama_{{
          .clock = parts.helper.clock,
          .store = parts.base / "models" / "ollama",
          .running = std::move(parts.running_ollama),
          .helper = helper_,
          .stall = parts.limits.stall,
      }} {}

ModelWeights::~ModelWeights() = default;

Task<void> ModelWeights::leave() {
    co_await files_.leave();
    telling_.cancel();
    co_await telling_.join();
    co_await helper_.leave();
}

Task<Result<engine::ResolvedModel>>
ModelWeights::ensure(engine::BackendSpec spec, runtime::ProgressSink progress) {
    // A custom server may be started without naming a model: whatever it lists is served.
    if (spec.engine.value == "custom" && spec.model.value.empty()) {
        co_return engine::ResolvedModel{};
    }
    const auto reference = catalog::parse_model(spec.model.value, spec.engine);
    if (!reference) {
        co_return propagate(reference);
    }
    auto model = std::visit(Resolver{base_, *reference}, *reference);
    if (!model) {
        co_return propagate(model);
    }
    if (auto wish = hub_wish(*reference, spec.engine)) {
        auto fetched = co_await fetch(*std::move(wish), *std::move(model), std::move(progress));
        if (fetched && spec.engine.value == "ollama" && fetched->path.contains("-00001-of-")) {
            co_return fail(
                ErrorCode::unprocessable, "Ollama takes no model that is cut into several files.",
                "Start llamacpp with it, or choose a model in one file."
            );
        }
        co_return fetched;
    }
    if (is_ollamas_own(*reference, spec.engine)) {
        const auto size = co_await ollama_.ensure(model->id.value, std::move(progress));
        if (!size) {
            co_return propagate(size);
        }
        model->size = *size;
    }
    co_return model;
}

Task<Result<engine::ResolvedModel>> ModelWeights::fetch(
    catalog::HubWish wish, engine::ResolvedModel model, runtime::ProgressSink progress
) {
    auto shared = std::make_shared<Fetch>();
    shared->sink = std::move(progress);
    shared->model = std::move(model);

    struct Unwanted {
        Fetch& fetch;

        ~Unwanted() { fetch.wanted = false; }
    } unwanted{*shared};

    const auto tell = [shared](const catalog::DownloadProgress& told) {
        const std::lock_guard lock{shared->mutex};
        shared->latest = told;
    };
    telling_.spawn("tell of a download", tell_of(shared));
    co_await files_.run([shared, tell, wish, hub = hub_]() -> Task<void> {
        return [](auto state, auto sink, catalog::HubWish what, auto there) -> Task<void> {
            const auto local = co_await there->models.ensure(std::move(what), sink);
            if (!local) {
                state->model = propagate(local);
                co_return;
            }
            const auto facts = catalog::read_gguf_model(local->path);
            if (!facts) {
                state->model = propagate(facts);
                co_return;
            }
            state->model->path = local->path.string();
            state->model->size = local->size;
            state->model->context_length = facts->context_length.value_or(0);
        }(shared, tell, wish, hub);
    });
    tell_now(*shared);
    co_return shared->model;
}

void ModelWeights::tell_now(Fetch& fetch) {
    const catalog::DownloadProgress now = [&] {
        const std::lock_guard lock{fetch.mutex};
        return fetch.latest;
    }();
    // Also for a while when nothing moves: a rate falls, and with it goes the time left.
    const bool moved = now.done != fetch.told.done || now.detail != fetch.told.detail ||
                       now.total != fetch.told.total;
    fetch.idle = moved ? 0 : fetch.idle + 1;
    if (fetch.idle > kIdleLooks) {
        return;
    }
    fetch.told = now;
    fetch.sink(
        {.step = "weights",
         .detail = now.detail,
         .done = {now.done},
         .total = now.total ? std::optional{Bytes{*now.total}} : std::nullopt}
    );
}

Task<void> ModelWeights::tell_of(std::shared_ptr<Fetch> fetch) {
    while (fetch->wanted) {
        tell_now(*fetch);
        co_await clock_.sleep_for(kLook);
    }
}

}  // namespace nova::app

// Model references against disk and network: what is wrong with a file is said before any start.
#include "app/model_weights.hpp"

#include <optional>
#include <utility>
#include <variant>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "catalog/gguf.hpp"
#include "catalog/model_ref.hpp"

namespace nova::app {
namespace {

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
    : base_{parts.base}, control_{parts.helper.executor}, files_{control_},
      hub_{std::make_shared<Hub>(parts)}, helper_{parts.helper},
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
    // Shared with the file thread, which may outlive this call by a moment after a cancel.
    struct Shared {
        runtime::ProgressSink sink;
        bool wanted = true;  // control thread
        Result<engine::ResolvedModel> model;
    };

    auto shared = std::make_shared<Shared>();
    shared->sink = std::move(progress);
    shared->model = std::move(model);

    struct Unwanted {
        Shared& shared;

        ~Unwanted() { shared.wanted = false; }
    } unwanted{*shared};

    const auto tell = [shared, control = control_](const catalog::DownloadProgress& told) {
        asio::post(control, [shared, told] {
            if (!shared->wanted) {
                return;
            }
            shared->sink(
                {.step = "weights",
                 .detail = told.detail,
                 .done = {told.done},
                 .total = told.total ? std::optional{Bytes{*told.total}} : std::nullopt}
            );
        });
    };
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
    co_return shared->model;
}

}  // namespace nova::app

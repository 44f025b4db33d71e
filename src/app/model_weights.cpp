// Model references against the disk: a file that is missing or cut short is said before any start.
#include "app/model_weights.hpp"

#include <utility>
#include <variant>

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

    Result<engine::ResolvedModel> operator()(const catalog::HubGguf& model) const {
        return fail(
            ErrorCode::unsupported,
            fmt::format("nova does not download {} by itself yet.", model.repository),
            "Download the .gguf file and give its path: --model /path/to/model.gguf"
        );
    }

    Result<engine::ResolvedModel> operator()(const catalog::HubModel& /*model*/) const {
        return named({});
    }

    Result<engine::ResolvedModel> operator()(const catalog::OllamaTag& /*model*/) const {
        return named({});
    }

    Result<engine::ResolvedModel> operator()(const catalog::RemoteName& /*model*/) const {
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

}  // namespace

Result<engine::ResolvedModel> ModelWeights::resolve(const engine::BackendSpec& spec) const {
    // A custom server may be started without naming a model: whatever it lists is served.
    if (spec.engine.value == "custom" && spec.model.value.empty()) {
        return engine::ResolvedModel{};
    }
    const auto reference = catalog::parse_model(spec.model.value, spec.engine);
    if (!reference) {
        return propagate(reference);
    }
    return std::visit(Resolver{base_, *reference}, *reference);
}

Task<Result<engine::ResolvedModel>>
ModelWeights::ensure(engine::BackendSpec spec, runtime::ProgressSink /*progress*/) {
    co_return resolve(spec);
}

}  // namespace nova::app

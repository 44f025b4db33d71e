// Names of events and effects come from their types: a new one needs nothing here.
#include "trace.hpp"

#include <string>
#include <string_view>

#include "world.hpp"

namespace nova::sim {
namespace {

template <class T>
std::string_view type_name() {
    std::string_view text = __PRETTY_FUNCTION__;  // "... [T = nova::lifecycle::Started]"
    text.remove_suffix(1);
    const std::size_t at = text.find_last_of(": ");
    return at == std::string_view::npos ? text : text.substr(at + 1);
}

template <class Variant>
std::string_view name_of(const Variant& value) {
    return std::visit([]<class T>(const T&) { return type_name<T>(); }, value);
}

}  // namespace

void trace_step(
    World& world, const lifecycle::BackendState& before, const lifecycle::Event& event,
    const lifecycle::Step& step
) {
    std::string effects;
    for (const lifecycle::Effect& effect : step.effects) {
        effects += effects.empty() ? "" : ", ";
        effects += name_of(effect);
        if (const auto* done = std::get_if<lifecycle::FinishOperation>(&effect)) {
            effects += fmt::format("({})", word(done->outcome));
        }
    }
    std::string detail;
    if (const auto* drained = std::get_if<lifecycle::Drained>(&event)) {
        detail = fmt::format("({} left)", drained->left);
    } else if (const auto* probed = std::get_if<lifecycle::Probed>(&event)) {
        constexpr std::string_view kVerdicts[] = {"(ready)", "(loading)", "(failed)"};
        detail = kVerdicts[static_cast<std::size_t>(probed->verdict)];
    }
    if (std::holds_alternative<lifecycle::Tick>(event) && step.effects.empty() &&
        before.phase == step.state.phase) {
        return;
    }
    world.trace(
        "{}{}: {} -> {}{}{}", name_of(event), detail, name(before.phase), name(step.state.phase),
        effects.empty() ? "" : "; ", effects
    );
}

}  // namespace nova::sim

// What a switch needs beyond one instance: admission, names, unloading, memory that comes back.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "lifecycle/backend_controller.hpp"
#include "lifecycle/memory_release.hpp"

namespace nova::lifecycle {
namespace {

constexpr std::chrono::seconds kUnloadLimit{60};

}  // namespace

const runtime::InstanceHandle* BackendController::running_handle() const {
    const auto* one = state_.running ? held_.find(state_.running->generation) : nullptr;
    return one == nullptr || !one->handle ? nullptr : &*one->handle;
}

const Running* BackendController::instance(Generation generation) const {
    for (const auto* one : {&state_.running, &state_.candidate, &state_.retiring}) {
        if (*one && (*one)->generation == generation) {
            return &**one;
        }
    }
    return nullptr;
}

// ---------------------------------------------------------------- which way a switch goes

Admitted BackendController::not_admitted(const Target& target, const std::string& why) {
    Admitted answer{.wish = target.generation, .beside = false, .refusal = {}};
    if (target.strategy == Strategy::blue_green) {
        answer.refusal = Failure{
            .terminal = true,
            .error =
                {.code = "memory_short",
                 .detail = fmt::format("The two do not fit beside each other: {}.", why),
                 .remedy = "Free memory, or switch with --strategy drain, which stops the old one "
                           "first.",
                 .log_excerpt = {}}
        };
    }
    return answer;
}

Task<Event> BackendController::admit(Target target) {
    if (target.strategy == Strategy::drain) {
        explain("strategy", "drain: it was asked for");
        co_return Admitted{.wish = target.generation, .beside = false, .refusal = {}};
    }
    MemoryAnswer answer{.admits = false, .why = "nothing measures the memory here"};
    const auto* spec = spec_of(target.spec);
    const auto model = resolved_.find(target.spec);
    if (ports_.memory != nullptr && spec != nullptr && model != resolved_.end()) {
        explain("strategy", "drain: the free memory could not be measured in time");
        const engine::BackendSpec copy = *spec;
        const engine::ResolvedModel what = model->second;
        answer = co_await ports_.memory->admits(copy, what);
    }
    if (answer.admits) {
        explain("strategy", fmt::format("blue-green: {}", answer.why));
        co_return Admitted{.wish = target.generation, .beside = true, .refusal = {}};
    }
    const bool refused = target.strategy == Strategy::blue_green;
    explain("strategy", fmt::format("{}: {}", refused ? "refused" : "drain", answer.why));
    co_return not_admitted(target, answer.why);
}

// A sentence about the phase that runs; it is written in the commit that ends the phase.
void BackendController::explain(std::string_view phase, std::string sentence) {
    sentences_.insert_or_assign(std::string{phase}, std::move(sentence));
}

// ---------------------------------------------------------------- what is left behind

// Before the specs of the old model are forgotten.
void BackendController::begin_unload(const Unload& effect) {
    const HeldInstance* one = held_.find(effect.generation);
    const auto old = resolved_.find(effect.spec);
    const auto now = state_.running && state_.running->loaded
                         ? resolved_.find(*state_.running->loaded)
                         : resolved_.end();
    if (one == nullptr || !one->plan || !*one->plan || old == resolved_.end() ||
        (now != resolved_.end() && now->second.id == old->second.id)) {
        return;
    }
    tasks_.spawn("unload", unload((*one->plan)->probe, old->second.id.value));
}

Task<void> BackendController::unload(ProbeTarget target, std::string model) {
    const auto done = co_await ports_.client.unload(target, model, within(kUnloadLimit));
    if (done) {
        ports_.log.info("backend.unloaded", {{"model", model}});
    } else {
        ports_.log.warn("backend.unload", {{"model", model}, {"error", done.error().message}});
    }
}

// Empty for one that was given no GPU: what others do there is no matter of its.
Task<std::optional<Bytes>> BackendController::gpu_free(const HeldInstance& one) {
    const bool on_cpu = one.plan && *one.plan && (*one.plan)->instance.accelerator == "cpu";
    if (ports_.memory == nullptr || on_cpu) {
        co_return std::nullopt;
    }
    co_return co_await ports_.memory->gpu_free();
}

Task<void>
BackendController::wait_for_memory(Generation generation, std::optional<Bytes> before_stop) {
    const HeldInstance* one = held_.find(generation);
    if (ports_.memory == nullptr || one == nullptr) {
        co_return;
    }
    const GpuReading reading{.before_start = one->gpu_free_before, .before_stop = before_stop};
    if (!co_await gpu_memory_released(*ports_.memory, ports_.clock, reading)) {
        explain("stop", "the GPU's memory did not come back within 10 s");
        ports_.log.warn("backend.memory", {{"detail", "The GPU's memory did not come back."}});
    }
}

void BackendController::forget_note(Generation gone) {
    std::erase_if(notes_, [gone](const InstanceNote& note) { return note.generation == gone; });
}

// Those of this machine, and those something was started in before.
std::vector<runtime::RuntimeKind> BackendController::kinds_to_ask() const {
    std::vector<runtime::RuntimeKind> kinds = ports_.kinds;
    for (const InstanceNote& note : notes_) {
        if (std::ranges::find(kinds, note.runtime) == kinds.end()) {
            kinds.push_back(note.runtime);
        }
    }
    return kinds;
}

// What cannot be asked is unknown, never empty: an engine may run behind a daemon that is away, and
// a second one must not start beside it. Only a runtime that is not there, and in which nothing is
// on record but what the state knows, holds nothing. `about`: is to be found all the same.
Task<Result<std::vector<runtime::OwnedInstance>>>
BackendController::list_of(runtime::RuntimeKind kind, Generation about) {
    const bool overlooked = std::ranges::any_of(notes_, [&](const InstanceNote& note) {
        return note.runtime == kind && (note.generation == about || !knows(note.generation));
    });
    const bool held = overlooked && options_.policy.bug != PlantedBug::away_means_nothing;
    Error error{.code = ErrorCode::unsupported, .message = "this nova has no driver for it"};
    if (runtime::RuntimeDriver* driver = ports_.drivers(kind)) {
        auto listed = co_await driver->list_owned(options_.install, options_.slot);
        if (listed) {
            co_return listed;
        }
        error = listed.error();
        const auto print = co_await driver->fingerprint();
        if (print && !print->usable && !held) {
            co_return std::vector<runtime::OwnedInstance>{};
        }
    } else if (!held) {
        co_return std::vector<runtime::OwnedInstance>{};
    }
    co_return fail(
        ErrorCode::runtime_failed,
        fmt::format(
            "The runtime {} cannot say what of ours runs there: {}", word(kind), error.message
        ),
        fmt::format(
            "Start {} again; nova goes on by itself. Until then nothing is started: two engines "
            "could run at once.",
            word(kind)
        )
    );
}

// A start that failed may have left something whose handle nobody has.
Task<Result<void>>
BackendController::stop_unheld(Generation generation, runtime::RuntimeDriver::Force force) {
    for (const runtime::RuntimeKind kind : kinds_to_ask()) {
        runtime::RuntimeDriver* driver = ports_.drivers(kind);
        const auto listed = co_await list_of(kind, generation);
        if (!listed) {
            co_return propagate(listed);
        }
        for (const runtime::OwnedInstance& owned : *listed) {
            const runtime::InstanceHandle handle = owned.handle;
            const Generation found = handle.identity.generation;
            if (found != generation && knows(found)) {
                continue;  // the other one of a switch
            }
            const auto stopped = co_await driver->stop(handle, force);
            if (!stopped) {
                co_return propagate(stopped);
            }
        }
    }
    co_return Result<void>{};
}

}  // namespace nova::lifecycle

// The shell around transition(): one writer that feeds it events and performs what it asks for.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "core/task_group.hpp"
#include "lifecycle/backend_control.hpp"
#include "lifecycle/backend_draft.hpp"
#include "lifecycle/backend_record.hpp"
#include "lifecycle/controller_ports.hpp"
#include "lifecycle/failure_reading.hpp"
#include "lifecycle/held_instance.hpp"
#include "lifecycle/lane.hpp"
#include "lifecycle/rate_window.hpp"
#include "lifecycle/supervision.hpp"

namespace nova::lifecycle {

// Single-threaded: every member on the executor's thread.
class BackendController final : public BackendControl {
public:
    BackendController(
        asio::any_io_executor executor, ControllerPorts ports, ControllerOptions options
    );
    ~BackendController() override;

    // Returns after leave(). Spawn it once, and do not cancel it: leave() is the way out.
    Task<void> run();
    void leave(Leave how);

    Task<Result<Accepted>> set_desired(Wish wish) override;
    Task<Result<void>> cancel(OperationId operation) override;
    BackendStatus status() const override;
    Task<Result<std::string>> log_tail(std::size_t lines) override;
    void wake() override;
    // Replaces what answers but lost its GPU; nothing happens when it no longer serves.
    void condemn(Generation generation, OperationError why);
    Task<void> look_for_models() override;

    const BackendState& state() const { return state_; }

private:
    // Somebody waits for the commit of what he asked for.
    struct Waiting {
        explicit Waiting(const asio::any_io_executor& executor)
            : done{executor, asio::steady_timer::time_point::max()} {}

        asio::steady_timer done;
        std::optional<Result<Accepted>> answer;
    };

    struct Item {
        Event event;
        std::shared_ptr<Waiting> waiting;
        std::optional<engine::BackendSpec> spec;  // of a wish
        std::string actor;
    };

    // ---- backend_controller.cpp: the loop
    void post(Event event);
    void push(Item item);
    Task<void> wait_for_item();
    Task<void> load_record();
    Task<void> handle(Item item);
    void answer(Waiting& waiting, bool opened) const;
    void phase_changed(Phase before);
    void schedule_tick();
    Task<void> tick_at(TimePoint time);
    Task<Result<Accepted>> ask(Item item);
    Result<SpecHash> host_of(const engine::BackendSpec& spec) const;
    const engine::BackendSpec* spec_of(const SpecHash& hash) const;
    std::string title_of(const Target& target) const;
    void forget_unused_specs();

    // ---- backend_journal.cpp: operations, records, events
    using Draft = StepDraft;

    void draft_operations(Draft& draft, const Item& item, const std::vector<Effect>& effects);
    void open_operation(Draft& draft, const Item& item, const OpenOperation& effect);
    void draft_last_failure(Draft& draft, const std::vector<Effect>& effects) const;
    void draft_phase_end(Draft& draft, const Event& event);
    void draft_phase_begins(Draft& draft, const std::vector<Effect>& effects);
    static void keep(Draft& draft);
    void draft_writes(Draft& draft);
    Task<Result<store::Committed>> commit(const Draft& draft);
    void note_commit(Draft& draft, const Result<store::Committed>& done);
    Operation* touch(Draft& draft);
    Json state_json(const BackendState& state) const;
    BackendRecord record_of(const Draft& draft) const;
    void report_progress(const std::string& phase, const runtime::Progress& progress);

    // ---- backend_switch.cpp: two instances, and what they leave behind
    const runtime::InstanceHandle* running_handle() const;
    const Running* instance(Generation generation) const;  // of the state; nullptr: gone

    bool knows(Generation generation) const { return instance(generation) != nullptr; }

    Task<Event> admit(Target target);
    static Admitted not_admitted(const Target& target, const std::string& why);
    void explain(std::string_view phase, std::string sentence);
    Task<void> unload(ProbeTarget target, std::string model);
    void begin_unload(const Unload& effect);
    Task<void> wait_for_memory(Generation generation, std::optional<Bytes> before_stop);
    Task<std::optional<Bytes>> gpu_free(const HeldInstance& one);
    void forget_note(Generation gone);
    std::vector<runtime::RuntimeKind> kinds_to_ask() const;
    Task<Result<std::vector<runtime::OwnedInstance>>>
    list_of(runtime::RuntimeKind kind, Generation about);
    Task<Result<void>> stop_unheld(Generation generation, runtime::RuntimeDriver::Force force);

    // ---- backend_effects.cpp: what the machine asks for
    void plan_start(const Start& effect);
    void perform(const Effect& effect);
    void adopt();
    void run_work(std::string name, Task<Event> body, Event otherwise, Deadline deadline);
    Deadline within(std::chrono::nanoseconds time) const;
    Task<Event> list_owned();
    Task<Event> sweep(std::optional<std::size_t> keep);
    Task<Event> prepare(Target target);
    Task<Event> start(Generation generation);
    Task<Event> probe(Generation generation);
    Task<Event> load(Target target, Generation generation);
    Task<Event> publish(std::optional<UpstreamView> open);
    Task<Event> drain(Generation generation, TimePoint deadline);
    Task<Event> cut(Generation generation);
    Task<Event> stop(Stop effect);
    Task<void> watch_exit(runtime::InstanceHandle handle);
    FailureFacts facts_of(Generation generation) const;
    Task<std::optional<Failure>> why_broken(runtime::InstanceHandle handle);
    Task<std::string> tail_of(runtime::InstanceHandle handle, Bytes at_most = kib(64));
    Task<Result<void>> push_view();
    Task<void> refresh_view();
    void note_loading(double progress);
    Task<void> close_and_drain();
    Task<void> drain_and_cut(UpstreamId upstream);
    SlotView view() const;
    UpstreamView upstream_view(Generation generation) const;
    UpstreamId upstream_id(Generation generation) const;

    // ---- backend_supervision.cpp: looks at what runs
    Task<void> notice_progress(Generation generation, std::optional<double> told);
    Task<Probed> look_closer(Probed look, bool answered);
    Task<Footprint> footprint(Generation generation);
    Task<bool> canary_fails(Footprint seen);
    bool canary_due(const Footprint& seen) const;
    void look_for_use(Generation generation);

    asio::any_io_executor executor_;
    ControllerPorts ports_;
    ControllerOptions options_;
    BackendState state_;
    std::map<SpecHash, engine::BackendSpec> specs_;
    std::map<SpecHash, engine::ResolvedModel> resolved_;
    std::vector<InstanceNote> notes_;
    std::vector<std::string> models_;
    std::optional<Operation> operation_;
    std::optional<LastFailure> last_failure_;
    bool operation_dirty_ = false;    // its progress is not written yet
    bool store_behind_ = false;       // the last commit failed
    std::vector<Operation> unsaved_;  // their commit failed
    std::string record_json_;         // as stored
    std::string state_json_;          // as published last
    WallTime since_{};
    std::deque<Item> queue_;
    asio::steady_timer arrival_;
    std::set<TimePoint> ticks_;
    std::optional<Leave> leaving_;

    std::vector<runtime::OwnedInstance> owned_;
    HeldInstances held_;
    std::map<std::string, std::string, std::less<>> sentences_;  // by phase; not written yet
    std::optional<runtime::InstanceHandle> last_handle_;
    std::optional<UpstreamView> open_view_;
    bool pushing_view_ = false;
    bool view_behind_ = false;  // its publication is tried again
    asio::steady_timer view_pushed_;
    Footprint footprint_;  // of the last look at a ready instance
    TimePoint next_canary_at_{};
    std::uint64_t bytes_at_look_ = 0;  // for use
    bool waking_ = false;              // posted, not handled yet
    TimePoint next_progress_report_{};
    RateWindow rate_;
    std::optional<LoadingView> loading_;
    TimePoint next_loading_report_{};

    Lane work_;
    Lane preparation_;
    Lane probes_;
    Lane candidate_probes_;
    TaskGroup tasks_;
};

}  // namespace nova::lifecycle

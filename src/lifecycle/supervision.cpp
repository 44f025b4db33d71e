// Busy is not dead, slow is not stalled, idle is put away.
#include "lifecycle/supervision.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "lifecycle/transition_machine.hpp"

namespace nova::lifecycle {
namespace {

// Nobody was there when it was looked; who slipped in since may be done in this time.
constexpr std::chrono::seconds kParkingDrain{1};

Failure failure_of(std::string code, std::string detail, std::string remedy) {
    return {
        .terminal = false,
        .error =
            {.code = std::move(code),
             .detail = std::move(detail),
             .remedy = std::move(remedy),
             .log_excerpt = {}}
    };
}

std::string seconds_text(std::chrono::nanoseconds time) {
    const auto rounded = std::chrono::round<std::chrono::seconds>(time);
    return fmt::format("{} s", rounded.count());
}

}  // namespace

// ---------------------------------------------------------------- busy or dead

bool worked_between(const Footprint& before, const Footprint& now, BadLook how) {
    if (before.generation != now.generation) {
        return false;
    }
    const bool log = before.log && now.log && *before.log != *now.log;
    const bool counters = before.counters && now.counters && *before.counters != *now.counters;
    const bool bytes = before.bytes != now.bytes;
    switch (how) {
    case BadLook::silent:
        // Where it still tells what it counts, a new line may be about that question alone.
        return bytes || counters || (log && !now.counters);
    case BadLook::answered:
        return bytes || counters;
    case BadLook::canary:
        return bytes;
    }
    return false;
}

Doubt after_bad_look(Doubt doubt, bool worked, TimePoint now, const LifecyclePolicy& policy) {
    if (!doubt.since) {
        doubt.since = now;
    }
    if (worked && now < *doubt.since + policy.busy_doubt) {
        doubt.strikes = 0;
    } else {
        ++doubt.strikes;
    }
    return doubt;
}

Failure unresponsive(const Doubt& doubt, TimePoint now, const LifecyclePolicy& policy) {
    const auto time = doubt.since ? now - *doubt.since : std::chrono::nanoseconds{};
    if (policy.busy_doubt.count() > 0 && time >= policy.busy_doubt) {
        return failure_of(
            "unresponsive",
            fmt::format(
                "The engine failed its health probes for {}, longer than the benefit of the doubt.",
                seconds_text(time)
            ),
            "It is restarted; if it was working all the time, raise busy_doubt_s."
        );
    }
    return failure_of(
        "unresponsive",
        fmt::format(
            "The engine stopped answering: {} health probes in a row failed without a sign of work "
            "in between.",
            doubt.strikes
        ),
        "It is restarted; look at its log (nova logs) if this comes back."
    );
}

void Machine::good_look() {
    s_.strikes = 0;
    s_.doubted_since.reset();
}

void Machine::bad_look(bool worked) {
    const bool believed = worked && policy_.bug != PlantedBug::strike_despite_work;
    Doubt doubt = after_bad_look({s_.strikes, s_.doubted_since}, believed, now_, policy_);
    if (policy_.bug == PlantedBug::doubt_without_end && worked) {
        doubt.strikes = 0;
    }
    s_.strikes = doubt.strikes;
    s_.doubted_since = doubt.since;
    if (s_.strikes >= policy_.strikes) {
        s_.running->hung = true;
        break_instance(unresponsive(doubt, now_, policy_));
    }
}

// ---------------------------------------------------------------- slow or stalled

Failure not_ready_in_time(const Running& running, TimePoint now) {
    if (!running.progressed_at) {
        return failure_of(
            "start_timeout",
            fmt::format(
                "The engine showed no progress and was not ready within its start limit of {}.",
                seconds_text(running.start_limit)
            ),
            "Look at its log (nova logs); a larger model may need a larger start_limit_s."
        );
    }
    const std::string at =
        running.progress ? fmt::format(" at {:.0f} %", *running.progress * 100.0) : "";
    return failure_of(
        "stalled",
        fmt::format(
            "Loading stopped{}: no progress for {}.", at, seconds_text(now - *running.progressed_at)
        ),
        "Look at its log (nova logs) and at the disk the model is on; where such pauses are usual, "
        "raise stall_limit_s."
    );
}

void Machine::fold(const Progressed& event) {
    Running* one = instance(event.generation);
    if (one == nullptr) {
        return;
    }
    one->progressed_at = now_;
    one->progress = event.share ? event.share : one->progress;
    const TimePoint bought = now_ + one->stall_limit;
    one->start_deadline = std::max(one->start_deadline, bought);
    if (s_.busy == Work::load && s_.subject == event.generation) {
        s_.load_deadline = std::max(s_.load_deadline, bought);
    }
}

std::string loading_line(std::string_view log, const std::vector<std::string>& fragments) {
    if (fragments.empty()) {
        return {};
    }
    bool unfinished = !log.empty() && log.back() != '\n' && log.back() != '\r';
    while (!log.empty()) {
        const std::size_t at =
            log.size() < 2 ? std::string_view::npos : log.find_last_of("\r\n", log.size() - 2);
        std::string_view line = at == std::string_view::npos ? log : log.substr(at + 1);
        while (line.ends_with('\n') || line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        if (unfinished && line.ends_with("..")) {
            return std::string{line};
        }
        unfinished = false;
        for (const std::string& fragment : fragments) {
            if (line.contains(fragment)) {
                return std::string{line};
            }
        }
        log = at == std::string_view::npos ? std::string_view{} : log.substr(0, at + 1);
    }
    return {};
}

std::optional<double> share_in(std::string_view line) {
    std::size_t end = line.find('%');
    while (end != std::string_view::npos && end > 0 && line[end - 1] == ' ') {
        --end;
    }
    if (end == std::string_view::npos) {
        return std::nullopt;
    }
    const std::size_t before = line.find_last_not_of("0123456789.", end == 0 ? 0 : end - 1);
    const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
    double percent = 0;
    const auto [stop, error] = std::from_chars(line.data() + begin, line.data() + end, percent);
    if (error != std::errc{} || stop != line.data() + end || percent < 0 || percent > 100) {
        return std::nullopt;
    }
    return percent / 100.0;
}

// ---------------------------------------------------------------- idle and parked

std::chrono::nanoseconds idle_look_for(std::chrono::nanoseconds idle_unload) {
    using std::chrono::seconds;
    return std::clamp<std::chrono::nanoseconds>(idle_unload / 8, seconds{1}, seconds{30});
}

void Machine::steer_use() {
    const bool may_park = policy_.idle_unload.count() > 0 && serving() && !s_.parking && !s_.wish &&
                          s_.busy == Work::none;
    if (may_park && now_ >= s_.next_use_look_at) {
        s_.next_use_look_at = now_ + policy_.idle_look;
        effects_.push_back(LookForUse{s_.running->generation});
    }
}

void Machine::fold(const UseSeen& event) {
    if (!instance_is(event.generation) || !serving()) {
        return;
    }
    if (event.used) {
        s_.used_at = now_;
        return;
    }
    // Decided for good only with traffic closed and nobody inside (decisions.md 2.23).
    s_.parking = now_ >= s_.used_at + policy_.idle_unload && s_.busy == Work::none && !s_.wish &&
                 !s_.preparing && !s_.candidate && !s_.retiring && !s_.running->broken &&
                 s_.desired && s_.running->loaded == s_.desired->spec;
}

void Machine::fold(const Woken& /*event*/) {
    if (policy_.bug == PlantedBug::wake_lost && s_.running) {
        return;
    }
    s_.parking = false;
    if (!s_.parked || s_.leaving) {
        return;
    }
    s_.parked = false;
    want(s_.desired);
    s_.wish = OpenWish{.generation = s_.desired->generation, .kind = WishKind::start};
    effects_.push_back(OpenOperation{.generation = s_.desired->generation, .kind = WishKind::start}
    );
}

TimePoint Machine::drain_deadline() {
    s_.brief_drain = s_.parking;
    return now_ + (s_.parking ? std::chrono::nanoseconds{kParkingDrain} : policy_.drain);
}

// Somebody was inside after all: never cut for being idle.
bool Machine::still_used() {
    if (!s_.brief_drain) {
        return false;
    }
    if (policy_.bug == PlantedBug::parks_with_lease) {
        s_.running->drained = true;
        return true;
    }
    s_.parking = false;
    s_.used_at = now_;
    return true;
}

void Machine::park() {
    if (s_.parking) {
        s_.parking = false;
        s_.parked = true;
        s_.prepared.reset();  // its file may be gone by the time somebody asks
    }
}

}  // namespace nova::lifecycle

// Words of the phases, and the list of listeners.
#include "lifecycle/backend_control.hpp"

#include <algorithm>
#include <utility>

namespace nova::lifecycle {

std::string_view name(Phase phase) {
    switch (phase) {
    case Phase::recovering:
        return "recovering";
    case Phase::stopped:
        return "stopped";
    case Phase::pulling:
        return "pulling";
    case Phase::starting:
        return "starting";
    case Phase::ready:
        return "ready";
    case Phase::draining:
        return "draining";
    case Phase::stopping:
        return "stopping";
    case Phase::backing_off:
        return "backing_off";
    case Phase::failed:
        return "failed";
    case Phase::parked:
        return "parked";
    }
    return "";
}

std::string_view word(Phase phase) {
    switch (phase) {
    case Phase::recovering:
    case Phase::pulling:
    case Phase::starting:
        return "starting";
    case Phase::stopped:
    case Phase::parked:
        return "stopped";
    case Phase::ready:
        return "ready";
    case Phase::draining:
    case Phase::stopping:
        return "draining";
    case Phase::backing_off:
    case Phase::failed:
        return "error";
    }
    return "";
}

std::uint64_t EventFeed::subscribe(Listener listener) {
    listeners_.emplace_back(next_token_, std::move(listener));
    return next_token_++;
}

void EventFeed::unsubscribe(std::uint64_t token) {
    std::erase_if(listeners_, [&](const auto& entry) { return entry.first == token; });
}

void EventFeed::publish(const FeedEvent& event) {
    // A listener may unsubscribe itself or another while it is called.
    std::vector<std::uint64_t> tokens;
    for (const auto& [token, listener] : listeners_) {
        tokens.push_back(token);
    }
    for (const std::uint64_t token : tokens) {
        const auto at =
            std::ranges::find(listeners_, token, &std::pair<std::uint64_t, Listener>::first);
        if (at != listeners_.end()) {
            const Listener listener = at->second;
            listener(event);
        }
    }
}

Task<Result<void>> commit_and_tell(
    store::StateStore& store, EventFeed& feed, store::AppendEvent event,
    std::vector<store::Write> with
) {
    FeedEvent news{.id = 0, .type = event.type, .json = event.json, .at = event.at};
    with.emplace_back(std::move(event));
    const auto committed = co_await store.commit(std::move(with));
    if (!committed) {
        co_return propagate(committed);
    }
    news.id = committed->event_ids.front();
    feed.publish(news);
    co_return Result<void>{};
}

}  // namespace nova::lifecycle

// One record to all who want it.
#include "gateway/request_tap.hpp"

#include <utility>

namespace nova::gateway {

RequestTap::RequestTap(Metrics& metrics, std::size_t own, std::function<void()> call)
    : metrics_{metrics}, own_{metrics.of_worker.at(own)}, call_{std::move(call)} {}

void RequestTap::ended(const RequestRecord& record) {
    own_.note(record, metrics_.names);
    switch (queue_.push(record)) {
    case UsageQueue::Pushed::done:
        return;
    case UsageQueue::Pushed::half_full:
        if (call_) {
            call_();
        }
        return;
    case UsageQueue::Pushed::dropped:
        metrics_.ledger.dropped.fetch_add(1, std::memory_order_relaxed);
        return;
    }
}

void RequestTap::gave_up(std::string_view provider, std::string_view word) {
    own_.gave_up(provider, word, metrics_.names);
}

}  // namespace nova::gateway

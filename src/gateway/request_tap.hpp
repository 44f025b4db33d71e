// Where a worker's ended requests go: its metrics at once, the queue for ledger and access log.
#pragma once

#include <functional>

#include "gateway/metrics.hpp"
#include "gateway/request_record.hpp"
#include "gateway/usage_queue.hpp"

namespace nova::gateway {

class RequestTap final : public RequestObserver {
public:
    // own: this worker's index. call: asks for the queue to be drained soon; from the worker's
    // thread, so implementations post. metrics outlives the tap.
    RequestTap(Metrics& metrics, std::size_t own, std::function<void()> call);

    void ended(const RequestRecord& record) override;
    void gave_up(std::string_view provider, std::string_view word) override;

    // The other end is read by one thread, whichever.
    UsageQueue& queue() { return queue_; }

private:
    Metrics& metrics_;
    WorkerMetrics& own_;
    std::function<void()> call_;
    UsageQueue queue_;
};

}  // namespace nova::gateway

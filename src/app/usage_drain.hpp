// Empties the workers' queues of ended requests: access log and usage ledger, off their threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/task.hpp"
#include "gateway/metrics.hpp"
#include "gateway/usage_queue.hpp"
#include "store/usage_ledger.hpp"

namespace nova::app {

enum class AccessLog : std::uint8_t { all, failures, off };

// Of the ledger: nobody was asked, so nothing was used. Empty for such.
std::optional<store::UsageRow> usage_row_of(const gateway::EndedRequest& request);

// All members on the control thread.
class UsageDrain {
public:
    struct Parts {
        asio::any_io_executor executor;
        const Clock& clock;
        Log& log;
        gateway::LedgerFigures& figures;
        std::vector<gateway::UsageQueue*> queues{};
        store::UsageLedger* ledger = nullptr;  // null: none is kept
        AccessLog access_log = AccessLog::all;
        std::chrono::days keep{90};
    };

    explicit UsageDrain(Parts parts);

    // Until cancelled: now and then, sooner when called.
    Task<void> run();
    void call();
    // What is queued now. Call it once more after the workers have ended.
    Task<void> drain();

private:
    void take_rows();
    void write_line(const gateway::EndedRequest& request);
    Task<void> write_rows();
    Task<void> prune();

    Parts parts_;
    asio::steady_timer timer_;
    // Taken from the queues and not yet in the file; a ledger that is away does not lose them as
    // long as they are few.
    std::vector<store::UsageRow> rows_;
    TimePoint next_prune_{};
    bool ledger_away_ = false;  // said in the log once
    bool draining_ = false;
};

}  // namespace nova::app

// Who used what: one row per request that was sent to a provider, in a file of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/result.hpp"
#include "core/task.hpp"

namespace nova::store {

// Tokens that nobody told are empty, never 0.
struct UsageRow {
    WallTime at{};  // when it ended
    std::string request_id{};
    std::string key_id{};    // empty: nobody's key
    std::string key_name{};  // as it was then
    std::string operation{};
    std::string model{};  // as the client wrote it
    std::string provider{};
    std::string upstream_model{};
    bool local = false;
    std::optional<std::uint64_t> prompt_tokens{};
    std::optional<std::uint64_t> completion_tokens{};
    std::optional<std::uint64_t> cached_tokens{};
    bool counted = false;  // the provider did not say; nova counted pieces
    std::int64_t duration_ms = 0;
    int status = 0;
    std::string end{};  // served, client_left, refused, failed, cut
    std::uint32_t attempts = 0;
    bool stream = false;
};

enum class UsageGroup : std::uint8_t { none, model, provider, key, day };

struct UsageQuery {
    WallTime from{};  // included
    WallTime to{};    // not included
    UsageGroup group = UsageGroup::none;
    std::size_t limit = 1000;
};

struct UsageSum {
    std::string group;  // model, provider, key's id or "2026-11-23"; empty for nobody's key
    std::string name;   // of the key; else empty
    std::uint64_t requests = 0;
    std::uint64_t not_served = 0;
    std::uint64_t unknown = 0;                     // requests without any count of tokens
    std::uint64_t counted = 0;                     // requests whose tokens nova counted
    std::optional<std::uint64_t> prompt_tokens{};  // empty: none of them is known
    std::optional<std::uint64_t> completion_tokens{};
    std::optional<std::uint64_t> cached_tokens{};
    std::uint64_t duration_ms = 0;
};

struct UsageWritten {
    std::size_t rows = 0;
    std::size_t refused = 0;  // by the database; the others of the batch are written
};

// Awaited from any executor. Errors: corrupt, exhausted (disk full), unavailable.
class UsageLedger {
public:
    // Blocks; called once at the start. Errors: corrupt, unsupported (written by a newer nova),
    // precondition. In none of them is the file changed.
    static Result<std::unique_ptr<UsageLedger>> open(const std::string& path);
    ~UsageLedger();

    // All good rows or, with an error, none.
    Task<Result<UsageWritten>> write(std::vector<UsageRow> rows);
    // Most tokens first; days in order.
    Task<Result<std::vector<UsageSum>>> sums(UsageQuery query);
    // Deletes older rows; returns how many went.
    Task<Result<std::size_t>> prune(WallTime before);

private:
    class Worker;
    explicit UsageLedger(std::unique_ptr<Worker> worker);

    std::unique_ptr<Worker> worker_;
};

}  // namespace nova::store

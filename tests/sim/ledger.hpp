// What was promised and written down, judged with every commit.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "lifecycle/backend_record.hpp"
#include "lifecycle/operation.hpp"
#include "store/memory_store.hpp"

namespace nova::sim {

class Ledger {
public:
    explicit Ledger(std::function<void(std::string)> violated) : violated_{std::move(violated)} {}

    // Applies the writes and judges what is durable now.
    Task<Result<store::Committed>> commit(std::vector<store::Write> writes);
    // A wish was answered with 202.
    void accepted(const OperationId& operation);
    // An event was published to those who listen.
    void published(const lifecycle::FeedEvent& event);
    // At the end: every operation that is on record has its outcome.
    void all_finished();

    bool intends(Generation instance) const;
    std::optional<lifecycle::OperationState> outcome(const OperationId& operation) const;

    bool settled() const { return open_.empty(); }

    std::size_t operations() const { return operations_.size(); }

    // Phase of the last state event that was published.
    const std::string& last_phase() const { return last_phase_; }

    void new_life() { last_event_ = 0; }

    store::MemoryStore store;

private:
    void judge_operation(const lifecycle::Operation& operation);
    void judge_outcome(const lifecycle::Operation& operation);
    void judge_all();

    std::function<void(std::string)> violated_;
    std::map<OperationId, lifecycle::Operation> operations_;
    std::set<OperationId> open_;
    lifecycle::BackendRecord record_;
    std::map<std::uint64_t, std::size_t> events_;  // id to hash of its text
    std::uint64_t last_event_ = 0;
    Generation newest_{};
    Generation latest_written_{};  // of the operations in this commit
    std::string last_phase_;
};

}  // namespace nova::sim

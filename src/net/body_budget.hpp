// How many bytes of request bodies are held in memory at a time, over all that share the budget.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace nova::net {

// Used by several threads; outlives its shares.
class BodyBudget {
public:
    explicit BodyBudget(std::size_t most) : most_{most} {}

    BodyBudget(const BodyBudget&) = delete;
    BodyBudget& operator=(const BodyBudget&) = delete;

    std::size_t held() const { return held_.load(std::memory_order_relaxed); }

    // One request's part, given back when it is destroyed. Without a budget it holds anything.
    class Share {
    public:
        explicit Share(BodyBudget* budget = nullptr) : budget_{budget} {}

        Share(const Share&) = delete;
        Share& operator=(const Share&) = delete;

        ~Share() { give_back(); }

        // Whether so much would fit now; nothing is taken.
        bool could_hold(std::uint64_t bytes) const;
        // Grows to so many bytes in all. False: there is no room, and the share stays as it was.
        bool hold(std::size_t bytes);
        void give_back();

    private:
        BodyBudget* budget_;
        std::size_t bytes_ = 0;
    };

private:
    std::atomic<std::size_t> held_{0};
    const std::size_t most_;
};

}  // namespace nova::net

// Taken first, looked at then: two that take at once see each other.
#include "net/body_budget.hpp"

namespace nova::net {

bool BodyBudget::Share::could_hold(std::uint64_t bytes) const {
    if (budget_ == nullptr || bytes <= bytes_) {
        return true;
    }
    const std::size_t others = budget_->held() - bytes_;
    return others <= budget_->most_ && bytes <= budget_->most_ - others;
}

bool BodyBudget::Share::hold(std::size_t bytes) {
    if (budget_ == nullptr || bytes <= bytes_) {
        return true;
    }
    const std::size_t more = bytes - bytes_;
    const std::size_t before = budget_->held_.fetch_add(more, std::memory_order_relaxed);
    if (before > budget_->most_ || more > budget_->most_ - before) {
        budget_->held_.fetch_sub(more, std::memory_order_relaxed);
        return false;
    }
    bytes_ = bytes;
    return true;
}

void BodyBudget::Share::give_back() {
    if (bytes_ > 0) {
        budget_->held_.fetch_sub(bytes_, std::memory_order_relaxed);
        bytes_ = 0;
    }
}

}  // namespace nova::net

// The count and its watchers outlive the gate, so that a lease may be the last to go.
#include "core/gate.hpp"

#include <utility>
#include <vector>

namespace nova {

struct Gate::State {
    std::size_t inside = 0;
    bool closed = false;
    std::vector<std::move_only_function<void()>> watchers;
};

Gate::Lease::Lease(std::shared_ptr<State> state) : state_{std::move(state)} {
    ++state_->inside;
}

Gate::Lease::Lease(Lease&& other) noexcept = default;

Gate::Lease& Gate::Lease::operator=(Lease&& other) noexcept {
    if (this != &other) {
        leave();
        state_ = std::move(other.state_);
    }
    return *this;
}

Gate::Lease::~Lease() {
    leave();
}

void Gate::Lease::leave() {
    const auto state = std::exchange(state_, nullptr);
    if (!state || --state->inside != 0) {
        return;
    }
    auto watchers = std::exchange(state->watchers, {});
    for (auto& watcher : watchers) {
        watcher();
    }
}

Gate::Gate() : state_{std::make_shared<State>()} {}

Gate::~Gate() = default;

std::optional<Gate::Lease> Gate::try_enter() {
    if (state_->closed) {
        return std::nullopt;
    }
    return Lease{state_};
}

void Gate::close() {
    state_->closed = true;
}

void Gate::open() {
    state_->closed = false;
}

bool Gate::closed() const {
    return state_->closed;
}

std::size_t Gate::inside() const {
    return state_->inside;
}

void Gate::when_empty(std::move_only_function<void()> callback) {
    if (state_->inside == 0) {
        callback();
        return;
    }
    state_->watchers.push_back(std::move(callback));
}

}  // namespace nova

// Everybody waits on one timer at infinity; whatever changes cancels it and they look again.
#include "net/scripted_connection.hpp"

#include <algorithm>
#include <deque>
#include <limits>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace nova::net {

struct ScriptedPeer::State : std::enable_shared_from_this<ScriptedPeer::State> {
    State(asio::any_io_executor e, Clock& c)
        : executor{std::move(e)}, clock{c}, changed{executor, TimePoint::max()} {}

    // Wakes who waits; a watcher is called from the event loop, as the kernel's would be.
    void change() {
        changed.cancel();
        if (gone && (finished || reset) && !closed) {
            asio::post(executor, [self = shared_from_this()] {
                if (self->gone && !self->closed) {
                    auto call = std::exchange(self->gone, {});
                    call();
                }
            });
        }
    }

    Task<void> wait() {
        const auto self = shared_from_this();
        boost::system::error_code code;
        co_await changed.async_wait(asio::redirect_error(asio::use_awaitable, code));
    }

    // The error that stands in the way of any operation, if one does.
    Result<void> usable() const {
        if (closed) {
            return fail(ErrorCode::cancelled, "The connection was closed.");
        }
        if (clock.now() >= deadline) {
            return fail(ErrorCode::timeout, "The connection timed out.");
        }
        return {};
    }

    void arm(TimePoint time) {
        disarm();
        armed = time;
        // Each alarm has a signal of its own, which lives until the alarm's end.
        auto signal = std::make_shared<asio::cancellation_signal>();
        alarm = signal;
        auto rung = [self = shared_from_this(), signal, time](const std::exception_ptr& cancelled) {
            if (cancelled || self->alarm != signal) {
                return;
            }
            self->alarm = nullptr;
            self->armed = TimePoint::max();
            if (self->deadline > time && self->deadline != TimePoint::max()) {
                self->arm(self->deadline);
            }
            self->change();
        };
        asio::co_spawn(
            executor, clock.sleep_until(time),
            asio::bind_cancellation_slot(signal->slot(), std::move(rung))
        );
    }

    void disarm() {
        armed = TimePoint::max();
        if (const auto signal = std::exchange(alarm, nullptr)) {
            signal->emit(asio::cancellation_type::terminal);
        }
    }

    asio::any_io_executor executor;
    Clock& clock;
    asio::steady_timer changed;
    std::shared_ptr<asio::cancellation_signal> alarm;
    TimePoint deadline = TimePoint::max();
    TimePoint armed = TimePoint::max();
    std::deque<std::string> said;
    std::string heard;
    std::size_t allowed = std::numeric_limits<std::size_t>::max();
    bool finished = false;
    bool reset = false;
    bool closed = false;
    bool shut_down = false;
    bool given_out = false;
    std::move_only_function<void()> gone;
};

class ScriptedConnection final : public Connection {
public:
    ScriptedConnection(std::shared_ptr<ScriptedPeer::State> state, Peer peer)
        : state_{std::move(state)}, peer_{std::move(peer)} {}

    ~ScriptedConnection() override { close(); }

    Task<Result<std::size_t>> read_some(std::span<char> into) override {
        const auto state = state_;
        while (true) {
            if (const auto usable = state->usable(); !usable) {
                co_return propagate(usable);
            }
            if (!state->said.empty()) {
                std::string& front = state->said.front();
                const std::size_t size = std::min(front.size(), into.size());
                std::copy_n(front.data(), size, into.data());
                front.erase(0, size);
                if (front.empty()) {
                    state->said.pop_front();
                }
                co_return size;
            }
            if (state->reset) {
                co_return fail(ErrorCode::unavailable, "The connection broke: reset.");
            }
            if (state->finished) {
                co_return std::size_t{0};
            }
            co_await state->wait();
        }
    }

    Task<Result<void>> write_all(std::span<const std::string_view> pieces) override {
        const auto state = state_;
        for (std::string_view piece : pieces) {
            while (!piece.empty()) {
                if (const auto usable = state->usable(); !usable) {
                    co_return propagate(usable);
                }
                if (state->reset) {
                    co_return fail(ErrorCode::unavailable, "The connection broke: reset.");
                }
                NOVA_CHECK(!state->shut_down);
                const std::size_t room =
                    state->allowed - std::min(state->allowed, state->heard.size());
                const std::size_t size = std::min(piece.size(), room);
                state->heard.append(piece.substr(0, size));
                piece.remove_prefix(size);
                if (!piece.empty()) {
                    co_await state->wait();
                }
            }
        }
        co_return Result<void>{};
    }

    void expire_at(TimePoint time) override {
        state_->deadline = time;
        if (time < state_->armed && !state_->closed) {
            state_->arm(time);
        }
    }

    void watch_peer(std::move_only_function<void()> gone) override {
        state_->gone = std::move(gone);
        state_->change();
    }

    void unwatch_peer() override { state_->gone = nullptr; }

    bool idle_and_clean() override {
        return state_->usable() && state_->said.empty() && !state_->finished && !state_->reset;
    }

    void shutdown_send() override { state_->shut_down = true; }

    void close() override {
        if (std::exchange(state_->closed, true)) {
            return;
        }
        state_->gone = nullptr;
        state_->disarm();
        state_->changed.cancel();
    }

    const Peer& peer() const override { return peer_; }

private:
    std::shared_ptr<ScriptedPeer::State> state_;
    Peer peer_;
};

ScriptedPeer::ScriptedPeer(asio::any_io_executor executor, Clock& clock)
    : state_{std::make_shared<State>(std::move(executor), clock)} {}

ScriptedPeer::~ScriptedPeer() = default;

std::unique_ptr<Connection> ScriptedPeer::connection(Peer as) {
    NOVA_CHECK(!std::exchange(state_->given_out, true));
    return std::make_unique<ScriptedConnection>(state_, std::move(as));
}

void ScriptedPeer::says(std::string bytes) {
    if (!bytes.empty()) {
        state_->said.push_back(std::move(bytes));
        state_->change();
    }
}

void ScriptedPeer::says_in_pieces(std::string_view bytes, std::size_t piece) {
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
        says(std::string{bytes.substr(at, piece)});
    }
}

void ScriptedPeer::finishes() {
    state_->finished = true;
    state_->change();
}

void ScriptedPeer::resets() {
    state_->reset = true;
    state_->change();
}

void ScriptedPeer::takes_at_most(std::size_t bytes) {
    state_->allowed = bytes;
    state_->change();
}

const std::string& ScriptedPeer::heard() const {
    return state_->heard;
}

std::string ScriptedPeer::take_heard() {
    if (state_->allowed != std::numeric_limits<std::size_t>::max()) {
        state_->allowed -= std::min(state_->allowed, state_->heard.size());
    }
    return std::exchange(state_->heard, {});
}

bool ScriptedPeer::was_closed() const {
    return state_->closed;
}

bool ScriptedPeer::was_shut_down() const {
    return state_->shut_down;
}

}  // namespace nova::net

// Seats are timers in a row; the bound is a sum of counters.
#include "gateway/waiting_room.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "core/result.hpp"

namespace nova::gateway {

WaitingRoom::WaitingRoom(
    asio::any_io_executor executor, AllCounters& all, std::size_t own, std::size_t places,
    Places counted
)
    : executor_{std::move(executor)}, all_{all}, own_{all.at(own)}, places_{places},
      counted_{counted} {}

WaitingRoom::~WaitingRoom() {
    NOVA_CHECK(seats_.empty());
}

// Counts itself first and looks then, so that two workers can never both take the last place.
bool WaitingRoom::take_place() {
    (own_.*counted_).fetch_add(1);
    std::int64_t taken = 0;
    for (const WorkerCounters& counters : all_) {
        taken += (counters.*counted_).load();
    }
    if (taken <= static_cast<std::int64_t>(places_)) {
        return true;
    }
    (own_.*counted_).fetch_sub(1);
    return false;
}

std::unique_ptr<WaitingRoom::Seat> WaitingRoom::enter(Deadline deadline) {
    if (closed_ || !take_place()) {
        return nullptr;
    }
    auto seat = std::make_unique<Seat>(*this, deadline);
    seats_.push_back(seat.get());
    return seat;
}

void WaitingRoom::leave(const Seat& seat) {
    std::erase(seats_, &seat);
    (own_.*counted_).fetch_sub(1);
}

void WaitingRoom::call_everybody() {
    for (Seat* seat : seats_) {
        seat->call();
    }
}

void WaitingRoom::close() {
    closed_ = true;
    call_everybody();
}

WaitingRoom::Seat::Seat(WaitingRoom& room, Deadline deadline)
    : room_{room}, timer_{room.executor_, deadline.at} {}

WaitingRoom::Seat::~Seat() {
    room_.leave(*this);
}

void WaitingRoom::Seat::call() {
    called_ = true;
    timer_.cancel();
}

void WaitingRoom::Seat::client_left() {
    client_left_ = true;
    timer_.cancel();
}

Task<WaitingRoom::News> WaitingRoom::Seat::news() {
    for (;;) {
        if (client_left_) {
            co_return News::client_left;
        }
        if (room_.closed_) {
            co_return News::closed;
        }
        if (std::exchange(called_, false)) {
            co_return News::new_table;
        }
        if (expired_) {
            co_return News::deadline;
        }
        boost::system::error_code code;
        co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, code));
        expired_ = !code;
    }
}

}  // namespace nova::gateway

// Requests of one worker that wait for something to change, in the order they came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "core/deadline.hpp"
#include "core/task.hpp"
#include "gateway/policy.hpp"

namespace nova::gateway {

// Decides nothing: it calls everybody, in order, whenever there is a new table, and each looks for
// itself. Who keeps waiting keeps its place. Single-threaded; the number of places is shared with
// the rooms of all workers, by their counters.
class WaitingRoom {
public:
    class Seat;

    enum class News : std::uint8_t { new_table, deadline, client_left, closed };

    // Which of the counters is the number of places taken.
    using Places = std::atomic<std::int64_t> WorkerCounters::*;

    // all outlives the room; own: this worker's counters.
    WaitingRoom(
        asio::any_io_executor executor, AllCounters& all, std::size_t own, std::size_t places,
        Places counted = &WorkerCounters::waiting
    );
    WaitingRoom(const WaitingRoom&) = delete;
    WaitingRoom& operator=(const WaitingRoom&) = delete;
    ~WaitingRoom();

    // Null when every place of the gateway is taken, or the room is closed.
    std::unique_ptr<Seat> enter(Deadline deadline);
    void call_everybody();
    // Nobody waits here any longer, now or later.
    void close();

    bool closed() const { return closed_; }

    std::size_t waiting() const { return seats_.size(); }

private:
    bool take_place();
    void leave(const Seat& seat);

    asio::any_io_executor executor_;
    AllCounters& all_;
    WorkerCounters& own_;
    std::size_t places_;
    Places counted_;
    bool closed_ = false;
    std::vector<Seat*> seats_;  // as they came
};

// A place, until destroyed.
class WaitingRoom::Seat {
public:
    Seat(WaitingRoom& room, Deadline deadline);
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;
    ~Seat();

    // Returns with the next thing to know; a new table is told before the deadline. Throws
    // operation_aborted when the coroutine is cancelled.
    Task<News> news();
    void client_left();

private:
    friend class WaitingRoom;
    void call();

    WaitingRoom& room_;
    asio::steady_timer timer_;  // fires at the deadline, is cancelled for anything else
    bool called_ = false;
    bool expired_ = false;
    bool client_left_ = false;
};

}  // namespace nova::gateway

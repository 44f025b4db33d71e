// Admission and drain: stop new entries, learn when the old ones are gone.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>

namespace nova {

// One per worker and upstream, single-threaded. The number of leases is the in-flight count.
class Gate {
    struct State;

public:
    // Inside until destroyed or moved from.
    class Lease {
    public:
        Lease(Lease&& other) noexcept;
        Lease& operator=(Lease&& other) noexcept;
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        ~Lease();

    private:
        friend class Gate;
        explicit Lease(std::shared_ptr<State> state);
        void leave();
        std::shared_ptr<State> state_;
    };

    Gate();
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;
    ~Gate();

    // Empty once closed.
    std::optional<Lease> try_enter();
    void close();
    void open();
    bool closed() const;
    std::size_t inside() const;
    // Called once, at once when nobody is inside, else by the last Lease that leaves.
    void when_empty(std::move_only_function<void()> callback);

private:
    std::shared_ptr<State> state_;
};

}  // namespace nova

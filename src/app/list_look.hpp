// What happens when somebody asks for a model nobody knows: lists are asked for anew, once for all
// who wait for it.
#pragma once

#include <functional>

#include <boost/asio/steady_timer.hpp>

#include "core/task.hpp"
#include "gateway/policy.hpp"

namespace nova::app {

// Control thread only.
class ListLook {
public:
    struct Parts {
        asio::any_io_executor executor;
        std::function<Task<void>()> here;    // asks what runs on this machine
        std::function<Task<void>()> clouds;  // asks the clouds, if it is time
        std::function<Task<void>()> tell;    // publishes that a look has ended
    };

    explicit ListLook(Parts parts);

    // Who misses a model while a look is under way waits for that one, unless it reaches less far.
    void missed(gateway::Reach reach);
    // Looks whenever something was missed, until cancelled.
    Task<void> run();

private:
    Parts parts_;
    asio::steady_timer poke_;
    bool here_ = false;    // to be asked
    bool clouds_ = false;  // likewise
};

}  // namespace nova::app

// This machine first: its answer is a millisecond away.
#include "app/list_look.hpp"

#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace nova::app {

ListLook::ListLook(Parts parts)
    : parts_{std::move(parts)}, poke_{parts_.executor, asio::steady_timer::time_point::max()} {}

void ListLook::missed(gateway::Reach reach) {
    here_ = true;
    clouds_ = clouds_ || reach == gateway::Reach::everywhere;
    poke_.cancel();
}

Task<void> ListLook::run() {
    for (;;) {
        while (!here_) {
            boost::system::error_code poked;
            co_await poke_.async_wait(asio::redirect_error(asio::use_awaitable, poked));
        }
        here_ = false;
        const bool clouds = std::exchange(clouds_, false);
        co_await parts_.here();
        if (clouds) {
            co_await parts_.clouds();
        }
        co_await parts_.tell();
    }
}

}  // namespace nova::app

// By the event loop: no handler of ours runs in a signal's context.
#include "app/stop_signal.hpp"

#include <csignal>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace nova::app {

Task<int> stop_signal() {
    asio::signal_set signals{co_await asio::this_coro::executor, SIGTERM, SIGINT};
    boost::system::error_code code;
    co_return co_await signals.async_wait(asio::redirect_error(asio::use_awaitable, code));
}

}  // namespace nova::app

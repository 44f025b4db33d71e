// The only coroutine type in the house.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace nova {

namespace asio = boost::asio;

template <class T>
using Task = asio::awaitable<T>;

}  // namespace nova

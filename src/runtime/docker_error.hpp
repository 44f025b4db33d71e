// What Docker's refusals mean to the person who reads them: sentences with remedies. Pure.
#pragma once

#include <string_view>

#include "core/error.hpp"

namespace nova::runtime {

// doing: "Pulling IMAGE", "Starting nova-vllm". status 0: told inside a stream.
Error docker_error(int status, std::string_view message, std::string_view doing);

// Nobody answers at that socket, or not in time; why: what the connection said.
Error docker_unavailable(std::string_view socket, const Error& why);

}  // namespace nova::runtime

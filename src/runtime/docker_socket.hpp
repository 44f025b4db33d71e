// Where Docker listens, and whether nova itself runs in a container.
#pragma once

#include <string>
#include <string_view>

namespace nova::runtime {

// said: setting docker.host or DOCKER_HOST, "unix:///PATH" or a path; empty: the first socket there
// is of Docker (root's, this user's) and Podman (this user's, root's), else Docker's usual one.
// What is no unix socket is given back as it is: the driver says that it cannot be used.
std::string docker_socket(std::string_view said, std::string_view runtime_folder);

// The id of the container nova runs in; "" when it runs in none. root: for tests.
std::string own_container(const std::string& root = "");

}  // namespace nova::runtime

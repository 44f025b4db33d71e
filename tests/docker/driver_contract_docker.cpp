// The driver contract over Docker and Podman as they are.
#include "docker_world.hpp"
#include "runtime/driver_contract.hpp"

namespace nova::runtime {
namespace {

std::vector<DriverCase> daemons() {
    std::vector<DriverCase> found;
    for (const char* name : {"Docker", "Podman"}) {
        const std::string socket = from_environment(
            std::string{name} == "Docker" ? "NOVA_TEST_DOCKER_SOCKET" : "NOVA_TEST_PODMAN_SOCKET"
        );
        if (!socket.empty()) {
            found.push_back({.name = name, .make = [socket] {
                                 return std::make_unique<DockerWorld>(socket);
                             }});
        }
    }
    return found;
}

INSTANTIATE_TEST_SUITE_P(
    Containers, DriverContract, testing::ValuesIn(daemons()),
    [](const auto& case_info) { return case_info.param.name; }
);

}  // namespace
}  // namespace nova::runtime

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/random.hpp"
#include "runtime/docker_socket.hpp"

namespace nova::runtime {
namespace {

class DockerSocket : public testing::Test {
protected:
    DockerSocket() { std::filesystem::create_directories(folder_ + "/podman"); }

    ~DockerSocket() override { std::filesystem::remove_all(folder_); }

    static void listen_at(const std::string& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        ::close(socket);
    }

    std::string folder_ = "/tmp/nova-socket-" + random_hex(6);
};

TEST_F(DockerSocket, IsWhatAPersonSaid) {
    EXPECT_EQ(docker_socket("unix:///x/docker.sock", folder_), "/x/docker.sock");
    EXPECT_EQ(docker_socket("/x/docker.sock", folder_), "/x/docker.sock");
    EXPECT_EQ(docker_socket("tcp://h:2375", folder_), "tcp://h:2375");
}

TEST_F(DockerSocket, IsElseTheFirstThatExists) {
    if (!std::filesystem::exists("/var/run/docker.sock")) {
        EXPECT_EQ(docker_socket("", "/nowhere"), "/var/run/docker.sock");
        listen_at(folder_ + "/podman/podman.sock");
        EXPECT_EQ(docker_socket("", folder_), folder_ + "/podman/podman.sock");
        listen_at(folder_ + "/docker.sock");
        EXPECT_EQ(docker_socket("", folder_), folder_ + "/docker.sock");
    }
}

TEST_F(DockerSocket, KnowsTheContainerNovaRunsIn) {
    std::filesystem::create_directories(folder_ + "/etc");
    std::ofstream{folder_ + "/etc/hostname"} << "1a2b3c\n";
    EXPECT_EQ(own_container(folder_), "");
    std::ofstream{folder_ + "/.dockerenv"} << "";
    EXPECT_EQ(own_container(folder_), "1a2b3c");
}

}  // namespace
}  // namespace nova::runtime

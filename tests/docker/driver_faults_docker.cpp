// What other people and full machines do to containers, seen by the driver on a real Docker.
#include <algorithm>
#include <fstream>
#include <iterator>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <unistd.h>

#include "docker_world.hpp"

namespace nova::runtime {
namespace {

class DockerFaults : public testing::Test {
protected:
    RuntimeDriver& driver() { return world_.driver(); }

    InstanceHandle start(InstanceSpec spec) {
        auto handle = world_.await(driver().start(std::move(spec)));
        EXPECT_TRUE(handle) << handle.error().message;
        return handle.value_or(InstanceHandle{});
    }

    Error refusal(InstanceSpec spec) {
        const auto handle = world_.await(driver().start(std::move(spec)));
        EXPECT_FALSE(handle);
        return handle ? Error{} : handle.error();
    }

    ExitStatus end_of(const InstanceHandle& handle) {
        const auto status = world_.await(driver().wait(handle));
        EXPECT_TRUE(status);
        return status.value_or(ExitStatus{});
    }

    void expect_nothing_left() {
        const auto owned = world_.await(driver().list_owned(world_.install(), {"local"}));
        ASSERT_TRUE(owned);
        EXPECT_TRUE(owned->empty());
    }

    DockerWorld world_{from_environment("NOVA_TEST_DOCKER_SOCKET")};
};

TEST_F(DockerFaults, NamesAStrangersContainerAndLeavesItAlone) {
    const InstanceSpec spec = world_.spec({1});
    world_.ask(
        "POST", "/containers/create?name=" + spec.name,
        Json{{"Image", spec.image}, {"Cmd", Json::array({"--port", "8080"})}}.dump()
    );
    const Error error = refusal(spec);
    EXPECT_EQ(error.code, ErrorCode::conflict);
    EXPECT_EQ(error.word, "name_taken");
    EXPECT_TRUE(error.message.contains("which is not nova's")) << error.message;
    EXPECT_TRUE(error.remedy.contains("docker rename " + spec.name)) << error.remedy;
    world_.ask("DELETE", "/containers/" + spec.name);  // it is there
    EXPECT_TRUE(world_.await(driver().stop(start(spec), RuntimeDriver::Force::kill)));
}

TEST_F(DockerFaults, TakesTheNameOfADeadContainerOfItsOwn) {
    InstanceSpec spec = world_.spec({1});
    const InstanceHandle first = start(spec);
    world_.crash(first);
    spec.identity.generation.value = 2;
    const InstanceHandle second = start(spec);
    EXPECT_NE(first.container_id, second.container_id);
    EXPECT_TRUE(world_.await(driver().stop(second, RuntimeDriver::Force::kill)));
    expect_nothing_left();
}

TEST_F(DockerFaults, SaysThatAPortIsTakenAndLeavesNoContainer) {
    const int taken = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::bind(taken, generic, size), 0);
    ASSERT_EQ(::listen(taken, 1), 0);
    ASSERT_EQ(::getsockname(taken, generic, &size), 0);
    InstanceSpec spec = world_.spec({1});
    spec.listen = {.host = "127.0.0.1", .port = ntohs(address.sin_port), .tls = false};
    const Error error = refusal(spec);
    EXPECT_EQ(error.word, "port_in_use") << error.message;
    EXPECT_FALSE(error.remedy.empty());
    expect_nothing_left();
    ::close(taken);
    const InstanceHandle handle = start(spec);
    EXPECT_EQ(handle.endpoint.port, spec.listen.port);
    EXPECT_TRUE(world_.await(driver().stop(handle, RuntimeDriver::Force::kill)));
}

TEST_F(DockerFaults, SaysThatTheImageWentAfterItWasPrepared) {
    InstanceSpec spec = world_.spec({1});
    spec.image = "127.0.0.1:1/nothing:here";
    EXPECT_EQ(refusal(spec).word, "image_not_found");
    const auto pulled = world_.await(driver().prepare(spec, {}));
    ASSERT_FALSE(pulled);
    EXPECT_EQ(pulled.error().word, "registry_unreachable") << pulled.error().message;
}

TEST_F(DockerFaults, SaysThatAFolderIsMissing) {
    InstanceSpec spec = world_.spec({1});
    spec.mounts = {{"/nowhere/models", "/models", true}};
    EXPECT_EQ(refusal(spec).word, "folder_missing");
    expect_nothing_left();
}

TEST_F(DockerFaults, SaysThatThereIsNoNvidiaRuntime) {
    InstanceSpec spec = world_.spec({1});
    spec.accelerator = "cuda";
    const Error error = refusal(spec);
    EXPECT_EQ(error.word, "gpu_runtime_missing") << error.message;
    EXPECT_TRUE(error.remedy.contains("nvidia-ctk")) << error.remedy;
    expect_nothing_left();
}

TEST_F(DockerFaults, TellsACrashFromARemovalAndKeepsTheLog) {
    InstanceHandle handle = start(world_.spec({1}));
    world_.crash(handle);
    EXPECT_EQ(end_of(handle).text(), "was killed by signal 9");
    EXPECT_TRUE(std::filesystem::exists(handle.log_path));
    EXPECT_TRUE(world_.await(driver().stop(handle, RuntimeDriver::Force::graceful)));
    EXPECT_TRUE(world_.await(driver().log_tail(handle, kib(64))));  // from the file now

    handle = start(world_.spec({2}));
    world_.ask("DELETE", "/containers/" + handle.container_id + "?force=1");
    const ExitStatus removed = end_of(handle);
    EXPECT_EQ(removed.text(), "was removed by somebody else");
    const auto status = world_.await(driver().inspect(handle));
    ASSERT_TRUE(status);
    EXPECT_EQ(status->state, InstanceStatus::State::gone);
    EXPECT_TRUE(world_.await(driver().stop(handle, RuntimeDriver::Force::graceful)));
}

TEST_F(DockerFaults, SeesAPausedContainerAndStopsIt) {
    const InstanceHandle handle = start(world_.spec({1}));
    world_.ask("POST", "/containers/" + handle.container_id + "/pause");
    const auto status = world_.await(driver().inspect(handle));
    ASSERT_TRUE(status);
    EXPECT_EQ(status->state, InstanceStatus::State::running);
    EXPECT_TRUE(status->paused);
    EXPECT_TRUE(world_.await(driver().stop(handle, RuntimeDriver::Force::graceful)));
    expect_nothing_left();
}

TEST_F(DockerFaults, RunsACommandInTheContainer) {
    const InstanceHandle handle = start(world_.spec({1}));
    const SystemClock clock;
    const Deadline deadline = Deadline::in(clock, std::chrono::seconds{20});
    const auto output = world_.await(driver().exec(handle, {"/engine", "--version"}, deadline));
    ASSERT_TRUE(output) << output.error().message;
    EXPECT_EQ(output->exit_code, 0);
    EXPECT_TRUE((output->out + output->err).contains("version"));
    const auto missing = world_.await(driver().exec(handle, {"nvidia-smi"}, deadline));
    EXPECT_TRUE(!missing || missing->exit_code != 0);
    EXPECT_TRUE(world_.await(driver().stop(handle, RuntimeDriver::Force::kill)));
    const auto gone = world_.await(driver().exec(handle, {"/engine", "--version"}, deadline));
    EXPECT_FALSE(gone);
}

TEST_F(DockerFaults, SaysThatAnImageHoldsNoSuchProgram) {
    InstanceSpec spec = world_.spec({1});
    spec.image = from_environment("NOVA_TEST_BARE_IMAGE");  // without an entry point
    spec.argv = {"no-such-program"};
    EXPECT_EQ(refusal(spec).word, "image_without_program");
    expect_nothing_left();
}

}  // namespace
}  // namespace nova::runtime

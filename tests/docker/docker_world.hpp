// A driver on the daemon that the environment names, with an installation of its own.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "process/test_loop.hpp"
#include "runtime/docker_driver.hpp"
#include "runtime/driver_world.hpp"

namespace nova::runtime {

inline std::string from_environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string{} : value;
}

class DockerWorld final : public DriverWorld {
public:
    explicit DockerWorld(std::string socket, std::string own_container = {})
        : socket_{std::move(socket)}, api_{clock_, socket_},
          driver_{
              loop_.context().get_executor(),
              clock_,
              {.socket = socket_,
               .pulls = {.stall = std::chrono::seconds{10}},
               .own_container = std::move(own_container)}
          } {}

    ~DockerWorld() override {
        // Whatever a failed test left behind.
        const auto left = await(driver_.list_owned(install_, {"local"}));
        for (const OwnedInstance& owned : left.value_or(std::vector<OwnedInstance>{})) {
            EXPECT_TRUE(await(driver_.stop(owned.handle, RuntimeDriver::Force::kill)));
        }
        std::filesystem::remove_all(folder_);
    }

    RuntimeDriver& driver() override { return driver_; }

    asio::io_context& context() override { return loop_.context(); }

    bool run_until(const std::function<bool()>& done) override { return loop_.run_until(done); }

    InstallId install() override { return install_; }

    InstanceSpec spec(Generation generation) override {
        InstanceSpec spec;
        spec.identity = {install_, {"local"}, generation, {"0123456789abcdef"}};
        spec.runtime = RuntimeKind::docker;
        spec.name = "nova-test-" + install_.value + "-" + std::to_string(generation.value);
        spec.image = from_environment("NOVA_TEST_IMAGE");
        spec.accelerator = "cpu";
        spec.argv = {"--host", "0.0.0.0", "--port", "{port}"};
        spec.container.port = 8080;
        spec.log_path = folder_ + "/logs/" + std::to_string(generation.value) + ".log";
        spec.grace = std::chrono::seconds{5};
        return spec;
    }

    void crash(const InstanceHandle& handle) override {
        ask("POST", "/containers/" + handle.container_id + "/kill");
    }

    // As somebody would with the docker program.
    DockerReply ask(std::string method, std::string path, std::string body = {}) {
        DockerCall call{.method = std::move(method), .path = std::move(path)};
        call.body = std::move(body);
        auto reply = await(api_.call(std::move(call)));
        EXPECT_TRUE(reply) << reply.error().message;
        EXPECT_TRUE(reply->ok()) << reply->message();
        return reply.value_or(DockerReply{});
    }

    template <class T>
    T await(Task<T> task) {
        return loop_.await(std::move(task));
    }

private:
    process::TestLoop loop_{std::chrono::seconds{60}};
    SystemClock clock_;
    std::string socket_;
    InstallId install_{random_hex(8)};
    std::string folder_ = testing::TempDir() + "nova-docker-" + install_.value;
    DockerApi api_;
    DockerDriver driver_;
};

}  // namespace nova::runtime

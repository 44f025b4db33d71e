// The driver contract over the drivers of this module.
#include <cstdlib>
#include <filesystem>

#include <signal.h>

#include "core/random.hpp"
#include "runtime/driver_contract.hpp"
#include "runtime/external_driver.hpp"
#include "runtime/process_driver.hpp"

namespace nova::runtime {
namespace {

class RealWorld : public DriverWorld {
public:
    RealWorld() {
        std::string pattern = testing::TempDir() + "nova-driver-XXXXXX";
        folder_ = ::mkdtemp(pattern.data());
    }

    ~RealWorld() override { std::filesystem::remove_all(folder_); }

    asio::io_context& context() override { return context_; }

    bool run_until(const std::function<bool()>& done) override {
        while (!done()) {
            context_.restart();
            if (context_.run_one_for(std::chrono::seconds{20}) == 0) {
                return false;
            }
        }
        return true;
    }

    InstallId install() override { return install_; }

    InstanceSpec spec(Generation generation) override {
        InstanceSpec spec;
        spec.identity = {install_, {"local"}, generation, {"0123456789abcdef"}};
        spec.name = "nova-test";
        spec.log_path = folder_ + "/logs/" + std::to_string(generation.value) + ".log";
        return spec;
    }

protected:
    asio::io_context context_{1};
    std::string folder_;
    InstallId install_{random_hex(8)};
};

class ProcessWorld final : public RealWorld {
public:
    ProcessWorld()
        : driver_{
              context_.get_executor(),
              clock_,
              {.records_folder = folder_ + "/instances",
               .program_folders = {},
               .path = "/usr/bin:/bin",
               .home = folder_,
               .lang = "C.UTF-8"}
          } {}

    RuntimeDriver& driver() override { return driver_; }

    InstanceSpec spec(Generation generation) override {
        InstanceSpec spec = RealWorld::spec(generation);
        spec.program = "sleep";
        spec.argv = {"1000"};
        return spec;
    }

    void crash(const InstanceHandle& handle) override {
        process::send_signal({handle.pid, handle.start_ticks, handle.boot_id}, SIGKILL);
    }

private:
    SystemClock clock_;
    ProcessDriver driver_;
};

class ExternalWorld final : public RealWorld {
public:
    RuntimeDriver& driver() override { return driver_; }

    InstanceSpec spec(Generation generation) override {
        InstanceSpec spec = RealWorld::spec(generation);
        spec.runtime = RuntimeKind::external;
        spec.listen = {.host = "192.0.2.1", .port = 8000, .tls = true};
        return spec;
    }

    void crash(const InstanceHandle& /*handle*/) override {}

private:
    ExternalDriver driver_;
};

INSTANTIATE_TEST_SUITE_P(
    Drivers, DriverContract,
    testing::Values(
        DriverCase{.name = "Process", .make = [] { return std::make_unique<ProcessWorld>(); }},
        DriverCase{
            .name = "External",
            .make = [] { return std::make_unique<ExternalWorld>(); },
            .owns = false
        }
    ),
    [](const auto& case_info) { return case_info.param.name; }
);

}  // namespace
}  // namespace nova::runtime

// The driver contract over the drivers of this module.
#include <signal.h>

#include "core/random.hpp"
#include "process/test_loop.hpp"
#include "runtime/driver_contract.hpp"
#include "runtime/external_driver.hpp"
#include "runtime/process_driver.hpp"

namespace nova::runtime {
namespace {

class RealWorld : public DriverWorld {
public:
    asio::io_context& context() override { return loop_.context(); }

    bool run_until(const std::function<bool()>& done) override { return loop_.run_until(done); }

    InstallId install() override { return install_; }

    InstanceSpec spec(Generation generation) override {
        InstanceSpec spec;
        spec.identity = {install_, {"local"}, generation, {"0123456789abcdef"}};
        spec.name = "nova-test";
        spec.log_path = folder_.file("logs/" + std::to_string(generation.value) + ".log");
        return spec;
    }

protected:
    process::TestLoop loop_{std::chrono::seconds{20}};
    process::TestFolder folder_;
    InstallId install_{random_hex(8)};
};

class ProcessWorld final : public RealWorld {
public:
    ProcessWorld()
        : driver_{
              loop_.context().get_executor(),
              clock_,
              {.records_folder = folder_.file("instances"),
               .program_folders = {},
               .path = "/usr/bin:/bin",
               .home = folder_.path(),
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

// A driver and the world it lives in, as the driver contract needs them; tests only.
#pragma once

#include <functional>
#include <memory>
#include <ostream>
#include <string>

#include <boost/asio/io_context.hpp>

#include "runtime/runtime_driver.hpp"

namespace nova::runtime {

// A driver with the world around it.
class DriverWorld {
public:
    virtual ~DriverWorld() = default;
    virtual RuntimeDriver& driver() = 0;
    virtual asio::io_context& context() = 0;
    // Runs the context, and the clock where it is virtual, until done; false: it takes too long.
    virtual bool run_until(const std::function<bool()>& done) = 0;
    // Its own: test programs run side by side.
    virtual InstallId install() = 0;
    // Something that runs until it is stopped, of this installation, slot "local".
    virtual InstanceSpec spec(Generation generation) = 0;
    // Ends the instance from outside, as a crash would.
    virtual void crash(const InstanceHandle& handle) = 0;
};

struct DriverCase {
    std::string name;
    std::function<std::unique_ptr<DriverWorld>()> make;
    bool owns = true;  // starts and ends instances; false: somebody else does

    friend void PrintTo(const DriverCase& driver_case, std::ostream* out) {
        *out << driver_case.name;
    }
};

}  // namespace nova::runtime

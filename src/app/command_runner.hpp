// How hardware detection runs other programs: through process/, found on this PATH.
#pragma once

#include <string>

#include "core/clock.hpp"
#include "hardware/command_runner.hpp"

namespace nova::app {

// path: folders as in $PATH; the tools see nothing else of the environment but LANG.
hardware::CommandRunner command_runner(std::string path);

}  // namespace nova::app

// The log of the newest failed run, kept beside the others.
#pragma once

#include <string>

#include "core/strong.hpp"

namespace nova::lifecycle {

// A second name, failed-<slot>.log, for that run's log: the file stays when old runs are deleted.
// Returns it, or nothing where the log is no file here.
std::string keep_failed_log(const std::string& log_path, const SlotName& slot);

}  // namespace nova::lifecycle

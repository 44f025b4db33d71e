// The logs engines left: one file per run, the newest kept.
#pragma once

#include <cstddef>
#include <filesystem>

namespace nova::app {

// Deletes all but the newest `keep` *.log files of each slot ("SLOT-RUN.log"), and never
// failed-*.log, the newest failed run of each slot; returns how many went. A folder or file that
// cannot be read is left alone.
std::size_t prune_run_logs(const std::filesystem::path& folder, std::size_t keep);

}  // namespace nova::app

// A hard link: no copy, and what the run still writes is seen under both names.
#include "lifecycle/failed_log.hpp"

#include <filesystem>
#include <system_error>

namespace nova::lifecycle {

namespace fs = std::filesystem;

std::string keep_failed_log(const std::string& log_path, const SlotName& slot) {
    if (log_path.empty()) {
        return {};
    }
    const fs::path log = log_path;
    const fs::path kept = log.parent_path() / ("failed-" + slot.value + ".log");
    const fs::path fresh = kept.string() + ".new";
    std::error_code error;
    fs::remove(fresh, error);
    fs::create_hard_link(log, fresh, error);
    if (!error) {
        fs::rename(fresh, kept, error);
    }
    // Two names of one file: a rename leaves both, so the fresh one goes.
    std::error_code ignored;
    fs::remove(fresh, ignored);
    return error ? std::string{} : kept.string();
}

}  // namespace nova::lifecycle

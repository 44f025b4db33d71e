// Old logs go at start-up, when no run is writing.
#include "app/run_logs.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace nova::app {

namespace fs = std::filesystem;

std::size_t prune_run_logs(const fs::path& folder, std::size_t keep) {
    std::error_code code;
    std::map<std::string, std::vector<std::pair<fs::file_time_type, fs::path>>> slots;
    for (const auto& entry : fs::directory_iterator{folder, code}) {
        // Those are second names of failed runs' logs (lifecycle/failed_log.hpp).
        const bool kept = entry.path().filename().string().starts_with("failed-");
        if (!kept && entry.path().extension() == ".log" && entry.is_regular_file(code)) {
            const std::string name = entry.path().stem().string();
            slots[name.substr(0, name.rfind('-'))].emplace_back(
                entry.last_write_time(code), entry.path()
            );
        }
    }
    std::size_t gone = 0;
    for (auto& [slot, files] : slots) {
        std::ranges::sort(files, std::greater{});
        for (std::size_t i = keep; i < files.size(); ++i) {
            gone += fs::remove(files[i].second, code) ? 1U : 0U;
        }
    }
    return gone;
}

}  // namespace nova::app

// DATA-DIR/hardware.json: read with patience, written whole or not at all.
#pragma once

#include <filesystem>
#include <optional>

#include "hardware/hardware_snapshot.hpp"

namespace nova::hardware {

// Empty when there is no such file. Errors: corrupt (not JSON, wrong types; with what to do),
// unavailable (cannot be read). Blocks on the disk.
Result<std::optional<HardwareSnapshot>> load_hardware_file(const std::filesystem::path& path);

// Written beside, synced, renamed over: a crash leaves the old file or the new one, never half of
// either. Error: exhausted (disk full), unavailable (folder missing or not writable). Blocks.
Result<void>
save_hardware_file(const std::filesystem::path& path, const HardwareSnapshot& snapshot);

}  // namespace nova::hardware

// Where a test finds the files of its checkout. For tests only: they lie in its build folder.
#pragma once

#include <filesystem>
#include <stdexcept>

namespace nova {

// The folder of CMakePresets.json. Not given by the compiler's flags: ccache counts those, and no
// checkout could use what another one compiled.
inline std::filesystem::path checkout() {
    const auto program = std::filesystem::read_symlink("/proc/self/exe");
    for (auto folder = program.parent_path(); folder != folder.root_path();
         folder = folder.parent_path()) {
        if (std::filesystem::exists(folder / "CMakePresets.json")) {
            return folder;
        }
    }
    throw std::runtime_error{program.string() + " does not lie in a checkout of nova"};
}

}  // namespace nova

// Reads a recorded command output of testdata/: header lines, then both streams. For tests only.
#pragma once

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "core/checkout.hpp"
#include "hardware/command_runner.hpp"

namespace nova::hardware {

// The file opens with "# origin: ..." (captured where, or constructed from what) and "# exit: N";
// then "--- stdout" and, where something was said there, "--- stderr".
inline CommandOutput load_case(std::string_view name) {
    std::ifstream file{checkout() / "src/hardware/testdata" / name};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    constexpr std::string_view kExit = "# exit: ";
    constexpr std::string_view kOut = "--- stdout\n";
    constexpr std::string_view kErr = "--- stderr\n";
    CommandOutput output{.exit_code = -1};
    if (!text.starts_with("# origin: ")) {
        return output;
    }
    if (const auto at = text.find(kExit); at != std::string::npos) {
        output.exit_code = std::atoi(text.c_str() + at + kExit.size());
    }
    const auto out = text.find(kOut);
    const auto err = text.find(kErr);
    if (out != std::string::npos) {
        const auto begin = out + kOut.size();
        output.out = text.substr(begin, err == std::string::npos ? err : err - begin);
    }
    if (err != std::string::npos) {
        output.err = text.substr(err + kErr.size());
    }
    return output;
}

}  // namespace nova::hardware

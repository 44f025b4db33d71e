// Keys that a command reads from a file: they never stand in argv, where every user of the machine
// sees them (decisions.md 2.18).
#pragma once

#include <string>

namespace nova::app {

// The first line without blanks at its end, of standard input where the file is "-"; empty where
// there is none.
std::string key_in(const std::string& file);

}  // namespace nova::app

// The command line: words to commands.
#pragma once

namespace nova::app {

// Parses, runs one command, returns its exit code (decisions.md 2.21).
int run_cli(int argc, char** argv);

}  // namespace nova::app

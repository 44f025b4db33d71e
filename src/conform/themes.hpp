// The checks by theme; each function appends its own.
#pragma once

#include <vector>

#include "conform/check.hpp"

namespace nova::conform {

void add_framing(std::vector<Check>& checks);     // framing_checks.cpp
void add_limits(std::vector<Check>& checks);      // limit_checks.cpp
void add_edge(std::vector<Check>& checks);        // edge_checks.cpp
void add_streaming(std::vector<Check>& checks);   // stream_checks.cpp
void add_cancelling(std::vector<Check>& checks);  // cancel_checks.cpp
void add_errors(std::vector<Check>& checks);      // error_checks.cpp
void add_requests(std::vector<Check>& checks);    // request_checks.cpp
void add_models(std::vector<Check>& checks);      // model_checks.cpp
void add_tools(std::vector<Check>& checks);       // tool_checks.cpp
void add_anthropic(std::vector<Check>& checks);   // anthropic_checks.cpp
void add_ollama(std::vector<Check>& checks);      // ollama_checks.cpp

}  // namespace nova::conform

// What an engine's last words mean for people: cause, remedy, and whether trying again can help.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "lifecycle/backend_state.hpp"
#include "lifecycle/failure_catalog.hpp"
#include "runtime/instance_spec.hpp"

namespace nova::lifecycle {

// What is known of the wish, by the names of kFailurePlaceholders; a missing one gets a neutral
// word.
using FailureFacts = std::map<std::string, std::string, std::less<>>;

// how: "exited with code 1". The excerpt in the result is taken from the log as given: the caller
// redacts before. What the catalog does not know is said to be unknown, with the log's end.
Failure read_failure(
    const FailureEvidence& evidence, std::string_view how, const FailureFacts& facts,
    const FailureCatalog& catalog = FailureCatalog::builtin()
);

// "exited with code 1" and its like as evidence.
FailureEvidence
evidence_of(std::string_view log, std::string_view engine, const runtime::ExitStatus& status);

// The same for an error of a driver, the weights or the planner.
Failure failure_from(const Error& error);

// For an error of an engine that goes on running: its own words, in the error and in the log since
// it was asked, say more than the error's code.
Failure
failure_from(const Error& error, const FailureEvidence& evidence, const FailureFacts& facts);

// What the log has now that it did not have then; both are ends of the same file.
std::string_view written_since(std::string_view before, std::string_view now);

}  // namespace nova::lifecycle

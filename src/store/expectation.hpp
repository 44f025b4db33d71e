// What a conflict is, said once for every store.
#pragma once

#include <optional>

#include "store/state_store.hpp"

namespace nova::store {

// current: the revision of the document as it is; empty when there is none. Error conflict.
Result<void>
check_expectation(const Key& key, const Expect& expect, std::optional<Revision> current);

}  // namespace nova::store

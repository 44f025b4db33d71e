// How long what happened is told.
#pragma once

#include "core/clock.hpp"
#include "core/log.hpp"
#include "core/task.hpp"
#include "store/state_store.hpp"

namespace nova::app {

// Operations are kept for 24 hours after their end, events as long (contract.md 7): each hour what
// is older goes. For ever, until it is cancelled. All references must outlive it.
Task<void> forget_history(store::StateStore& store, Clock& clock, Log& log);

}  // namespace nova::app

// What the process driver writes down about a run, so that a later nova recognises it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "core/result.hpp"
#include "runtime/instance_spec.hpp"

namespace nova::runtime {

// FOLDER/GENERATION-SLOT.json: written with pid 0 before the spawn (the intent, which holds the
// chosen port), and again with the process. A stale or missing record loses nothing but the port:
// what runs is told by the marker.
class InstanceRecords {
public:
    explicit InstanceRecords(std::string folder);

    // Replaces the record of that generation and slot. Error precondition: cannot be written.
    Result<void> save(const InstanceHandle& handle) const;
    // Those of this installation and slot; files that are not readable as records are left out.
    std::vector<InstanceHandle> load(const InstallId& install, const SlotName& slot) const;
    void remove(const InstanceIdentity& identity) const;

private:
    std::string path_of(const InstanceIdentity& identity) const;

    std::string folder_;
};

Json to_json(const InstanceHandle& handle);
Result<InstanceHandle> instance_handle_from(const Json& value);

}  // namespace nova::runtime

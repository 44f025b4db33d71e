// DIR/runtime.json: where the nova that holds the folder is found.
#pragma once

#include <string>

#include "core/json.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"
#include "core/strong.hpp"

namespace nova::app {

// What the file says, without the process.
struct RuntimePlaces {
    Endpoint gateway;
    Endpoint control;
    Secret gateway_key;  // of nova's own parts
};

// Of the process that holds the folder's lock. What an earlier one left goes when it is made, so
// that nobody is sent to a process or an address that is somebody else's by now; its own goes with
// it.
class RuntimeFile {
public:
    explicit RuntimeFile(std::string path);
    RuntimeFile(const RuntimeFile&) = delete;
    RuntimeFile& operator=(const RuntimeFile&) = delete;
    ~RuntimeFile();

    // Errors: of writing a file.
    Result<void> write(const RuntimePlaces& places) const;

private:
    std::string path_;
};

}  // namespace nova::app

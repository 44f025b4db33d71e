// Read by app/control_client.
#include "app/runtime_file.hpp"

#include <utility>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "app/version.hpp"
#include "process/process_table.hpp"
#include "store/files.hpp"

namespace nova::app {

RuntimeFile::RuntimeFile(std::string path) : path_{std::move(path)} {
    ::unlink(path_.c_str());
}

RuntimeFile::~RuntimeFile() {
    ::unlink(path_.c_str());
}

Result<void> RuntimeFile::write(const RuntimePlaces& places) const {
    const auto self = process::identity_of(::getpid());
    const Json document{
        {"pid", ::getpid()},
        {"start_ticks", self ? self->start_ticks : 0},
        {"gateway", places.gateway.text()},
        {"control", places.control.text()},
        {"version", kVersion},
        {"gateway_key", places.gateway_key.reveal()},
    };
    return store::write_file_atomically(path_, json_text(document) + "\n");
}

}  // namespace nova::app

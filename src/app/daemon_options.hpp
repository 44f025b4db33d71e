// What parts of the daemon are made with, out of boot configuration, environment and folders.
#pragma once

#include <string>
#include <vector>

#include "app/container_facts.hpp"
#include "config/boot_config.hpp"
#include "config/environment.hpp"
#include "config/settings.hpp"
#include "net/http_server.hpp"
#include "runtime/process_driver.hpp"
#include "store/data_directory.hpp"

namespace nova::app {

// Host and Origin rules of a listener; who may ask for what is the front door's
// (gateway/front_door).
net::Admission admission_for(const Endpoint& listen, const config::BootConfig& boot);

runtime::ProcessDriverOptions
driver_options(const store::DataDirectory& directory, const config::Environment& environment);

// Where it looks for the programs of engines, in this order.
std::vector<std::string> program_folders(const runtime::ProcessDriverOptions& options);

// Where Docker is, and where its tools would be. docker_host: the setting, or DOCKER_HOST; empty:
// where it usually is.
ContainerPlace
container_place(const std::string& docker_host, const config::Environment& environment);

}  // namespace nova::app

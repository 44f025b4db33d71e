// A daemon may come and go: it is asked each time, which takes a millisecond when it is there.
#include "app/containers.hpp"

#include <utility>

#include "config/engine_images.hpp"
#include "runtime/docker_socket.hpp"

namespace nova::app {
namespace {

runtime::DockerDriverOptions
options_from(const config::Settings& settings, const std::string& runtime_folder) {
    const auto reserve = settings.integer("download.reserve_mib");
    return {
        .socket = runtime::docker_socket(settings.text("docker.host"), runtime_folder),
        .pulls =
            {.stall = std::chrono::seconds{settings.integer("download.stall_s")},
             .reserve = mib(static_cast<std::uint64_t>(reserve))},
        .own_container = runtime::own_container(),
    };
}

}  // namespace

Containers::Containers(
    asio::any_io_executor executor, Clock& clock, const config::Settings& settings,
    const engine::EngineRegistry& registry, std::string runtime_folder
)
    : settings_{settings}, registry_{registry},
      driver_{std::move(executor), clock, options_from(settings, runtime_folder)} {}

std::string Containers::image_of(const EngineName& engine) const {
    const auto images = config::engine_images_from(settings_.text("docker.images"));
    if (!images) {
        return {};
    }
    const auto at = images->find(engine.value);
    return at == images->end() ? std::string{} : at->second;
}

Task<std::string> Containers::choose_runtime(EngineName engine, std::string now) {
    const std::string set = settings_.text("runtime");
    if (set != "auto") {
        co_return set;
    }
    if (!now.empty() && now != "auto") {
        co_return now;
    }
    const engine::EngineSpec* spec = registry_.find(engine.value);
    if (spec == nullptr || (spec->images.empty() && image_of(engine).empty())) {
        co_return "process";
    }
    const auto print = co_await driver_.fingerprint();
    co_return print && print->usable ? "docker" : "process";
}

Task<void> Containers::complete(std::vector<recovery::EngineStatus>& engines) {
    for (recovery::EngineStatus& status : engines) {
        if (!status.can_run && co_await choose_runtime(EngineName{status.backend}) == "docker") {
            status.can_run = true;
            status.why_not.clear();
            status.remedy.clear();
        }
    }
}

}  // namespace nova::app

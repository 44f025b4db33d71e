// Three questions to the daemon, and a look at the machine where both are the same one.
#include "app/container_facts.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/commands_json.hpp"
#include "net/http_client.hpp"
#include "process/program_search.hpp"

namespace nova::app {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kNvidiaKind = "nvidia.com/gpu";
constexpr std::chrono::seconds kAnswerLimit{5};
constexpr std::size_t kMostOfAFile = 64 * 1024;

bool is_podman(const Json& version) {
    return std::ranges::any_of(array_in(version, "Components"), [](const Json& component) {
        return text_in(component, "Name") == "Podman Engine";
    });
}

// Told by the daemon since API 1.50; before, by the files it reads.
bool knows_cdi(const Json& info, const fs::path& root) {
    for (const Json& device : array_in(info, "DiscoveredDevices")) {
        if (text_in(device, "ID").starts_with(kNvidiaKind)) {
            return true;
        }
    }
    for (const Json& folder : array_in(info, "CDISpecDirs")) {
        std::error_code code;
        const fs::path place =
            root / fs::path{folder.is_string() ? folder.get<std::string>() : ""}.relative_path();
        for (const auto& entry : fs::directory_iterator{place, code}) {
            std::ifstream file{entry.path()};
            std::string text(kMostOfAFile, '\0');
            file.read(text.data(), static_cast<std::streamsize>(text.size()));
            text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
            if (text.contains(kNvidiaKind)) {
                return true;
            }
        }
    }
    return false;
}

// The daemon uses the toolkit's hook when it finds it; it runs on this machine unless nova is in a
// container.
std::optional<bool> has_hook(const ContainerPlace& place) {
    if (hardware::read_host_facts(place.roots).container) {
        return std::nullopt;
    }
    for (const char* name : {"nvidia-container-runtime-hook", "nvidia-cdi-hook"}) {
        if (process::find_program(name, place.program_folders)) {
            return true;
        }
    }
    return false;
}

void read_info(const Json& info, const ContainerPlace& place, engine::ContainerFacts& facts) {
    facts.nvidia_runtime = object_in(info, "Runtimes").contains("nvidia");
    facts.nvidia_cdi = knows_cdi(info, place.roots.root);
    facts.images_folder = text_in(info, "DockerRootDir");
    std::error_code code;
    const fs::path folder = place.roots.root / fs::path{facts.images_folder}.relative_path();
    if (!facts.images_folder.empty() && fs::is_directory(folder, code)) {
        facts.images_free = hardware::disk_free(folder);
    }
}

}  // namespace

DockerGet docker_get(Clock& clock, std::string socket) {
    return [&clock, socket = std::move(socket)](std::string path) -> Task<Result<Json>> {
        net::FetchRequest request{
            .endpoint = {.host = "unix:" + socket}, .target = std::move(path)
        };
        request.deadline = Deadline::in(clock, kAnswerLimit);
        const auto answer = co_await net::fetch(clock, std::move(request));
        if (!answer) {
            co_return propagate(answer);
        }
        if (answer->status == 404) {
            co_return fail(ErrorCode::not_found, "Docker knows no such thing.");
        }
        if (answer->status != 200) {
            co_return fail(
                ErrorCode::runtime_failed, fmt::format("Docker answered {}.", answer->status)
            );
        }
        co_return parse_json(answer->body, "Docker's answer");
    };
}

Task<engine::ContainerFacts>
container_facts(DockerGet get, ContainerPlace place, std::string image) {
    engine::ContainerFacts facts;
    facts.socket = place.socket;
    std::error_code code;
    facts.kfd = fs::exists(place.roots.root / "dev/kfd", code);
    const auto version = co_await get("/version");
    if (!version) {
        facts.why_not = version.error().message;
        co_return facts;
    }
    facts.daemon = true;
    facts.version = text_in(*version, "Version", "unknown");
    facts.podman = is_podman(*version);
    facts.nvidia_hook = has_hook(place);
    if (const auto info = co_await get("/info")) {
        read_info(*info, place, facts);
    }
    if (!image.empty()) {
        const auto found = co_await get("/images/" + image + "/json");
        if (found || found.error().code == ErrorCode::not_found) {
            facts.image_here = found.has_value();
        }
    }
    co_return facts;
}

std::function<Task<Result<void>>(engine::BackendSpec, runtime::InstanceSpec)> make_preflight(
    const engine::EngineRegistry& registry, std::function<hardware::HardwareSnapshot()> hardware,
    DockerGet get, ContainerPlace place
) {
    return [&registry, hardware = std::move(hardware), get = std::move(get),
            place = std::move(place
            )](engine::BackendSpec spec, runtime::InstanceSpec instance) -> Task<Result<void>> {
        const engine::EngineSpec* engine = registry.find(spec.engine.value);
        if (engine == nullptr || instance.runtime != runtime::RuntimeKind::docker) {
            co_return Result<void>{};
        }
        const auto facts = co_await container_facts(get, place, instance.image);
        co_return engine::refusal_of(engine::preflight(*engine, instance, hardware(), facts));
    };
}

}  // namespace nova::app

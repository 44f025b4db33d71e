// Labels first: nova may be killed between any two calls, and what it finds again it finds by them.
#include "runtime/docker_driver.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <utility>

#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "core/json.hpp"
#include "runtime/docker_error.hpp"
#include "runtime/docker_inspect.hpp"
#include "runtime/docker_json.hpp"

namespace nova::runtime {
namespace {

using std::chrono::seconds;

constexpr seconds kCreateLimit{30};
constexpr seconds kStartLimit{50};  // networks and GPU hooks; the controller gives 60
constexpr seconds kStopMargin{15};  // beyond the grace, for the daemon's own kill
constexpr seconds kRemoveLimit{20};
constexpr seconds kWaitTurn{600};  // a wait is asked anew: half-open connections end
constexpr std::chrono::milliseconds kRemovalPause{100};
constexpr int kRemovalLooks = 100;

// A cancelled call comes back as an error from the connection; the promise of a wait is to throw.
Task<void> throw_if_cancelled() {
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) {
        throw boost::system::system_error{asio::error::operation_aborted};
    }
}

// An NVIDIA device by CDI name: told by daemons from API 1.50 on.
bool knows_nvidia_cdi(const Json& info) {
    const Json& devices = member(info, "DiscoveredDevices");
    return devices.is_array() && std::ranges::any_of(devices, [](const Json& device) {
               return text_at(device, "ID").starts_with("nvidia.com/gpu=");
           });
}

// Those an engine may write to are nova's own; Docker would make them for root, or refuse.
void make_folders(const InstanceSpec& spec) {
    for (const Mount& mount : spec.mounts) {
        std::error_code error;
        if (!mount.read_only && mount.host_path.contains('/')) {
            std::filesystem::create_directories(mount.host_path, error);
        }
    }
}

void add_rocm(ContainerHost& host, const std::string& devices) {
    const auto add_group = [&host](const std::string& path) {
        struct stat facts{};
        if (::stat(path.c_str(), &facts) == 0 &&
            std::ranges::find(host.rocm_groups, facts.st_gid) == host.rocm_groups.end()) {
            host.rocm_groups.push_back(facts.st_gid);
        }
    };
    std::error_code error;
    for (const char* name : {"/kfd", "/dri"}) {
        if (std::filesystem::exists(devices + name, error)) {
            host.rocm_devices.push_back(devices + name);
        }
    }
    add_group(devices + "/kfd");
    for (const auto& entry : std::filesystem::directory_iterator{devices + "/dri", error}) {
        if (entry.path().filename().string().starts_with("renderD")) {
            add_group(entry.path().string());
        }
    }
    std::ranges::sort(host.rocm_groups);
}

}  // namespace

DockerDriver::DockerDriver(
    asio::any_io_executor executor, Clock& clock, DockerDriverOptions options
)
    : clock_{clock}, options_{std::move(options)}, api_{clock, options_.socket},
      pulls_{std::move(executor), clock, api_, options_.pulls} {}

// ---------------------------------------------------------------- what is there

Task<Result<Fingerprint>> DockerDriver::fingerprint() {
    const auto version = co_await api_.version();
    if (!version) {
        const Error& why = version.error();
        co_return Fingerprint{.usable = false, .detail = why.message + " " + why.remedy};
    }
    DockerCall ask{.path = "/version"};
    const auto told = co_await api_.call(std::move(ask));
    if (!told) {
        const Error& why = told.error();
        co_return Fingerprint{.usable = false, .detail = why.message + " " + why.remedy};
    }
    co_return Fingerprint{
        .usable = true,
        .detail = fmt::format(
            "{} {} (API {}) at {}", version->podman ? "Podman" : "Docker",
            text_at(told->body(), "Version"), version->api, options_.socket
        )
    };
}

Task<Result<Json>> DockerDriver::container(std::string id) {
    DockerCall ask{.path = container_path(id, "/json")};
    auto reply = co_await api_.call(std::move(ask));
    if (!reply) {
        co_return propagate(reply);
    }
    if (reply->status == 404) {
        co_return Json{};
    }
    if (!reply->ok()) {
        co_return fail(docker_error(reply->status, reply->message(), "Looking at " + id));
    }
    co_return reply->body();
}

std::string DockerDriver::equals(std::string_view label, std::string_view value) {
    return fmt::format("{}={}", label, value);
}

Task<Result<std::vector<Json>>> DockerDriver::containers(Filters labels) {
    const Json filters{{"label", labels}};
    DockerCall ask{
        .path = "/containers/json", .query = {{"all", "1"}, {"filters", json_text(filters)}}
    };
    auto reply = co_await api_.call(std::move(ask));
    if (!reply) {
        co_return propagate(reply);
    }
    if (!reply->ok() || !reply->body().is_array()) {
        co_return fail(docker_error(reply->status, reply->message(), "Listing containers"));
    }
    std::vector<Json> found;
    for (const Json& entry : reply->body()) {
        auto one = co_await container(text_at(entry, "Id"));
        if (!one) {
            co_return propagate(one);
        }
        if (!one->is_null()) {  // else it went while nova looked
            found.push_back(*std::move(one));
        }
    }
    co_return found;
}

Task<Result<std::vector<OwnedInstance>>>
DockerDriver::list_owned(InstallId install, SlotName slot) {
    Filters labels{equals(kInstallLabel, install.value), equals(kSlotLabel, slot.value)};
    const auto found = co_await containers(std::move(labels));
    if (!found) {
        co_return propagate(found);
    }
    std::vector<OwnedInstance> owned;
    for (const Json& one : *found) {
        auto instance = owned_container(one);
        // Asked again: a filter some daemon does not know would give it everybody's.
        if (instance && instance->handle.identity.install == install &&
            instance->handle.identity.slot == slot) {
            owned.push_back(*std::move(instance));
        }
    }
    co_return owned;
}

Task<Result<InstanceStatus>> DockerDriver::inspect(InstanceHandle handle) {
    const auto one = co_await container(handle.container_id);
    if (!one) {
        co_return propagate(one);
    }
    if (one->is_null()) {
        InstanceStatus gone;
        gone.exit.emplace().removed = true;
        co_return gone;
    }
    co_return container_status(*one);
}

// ---------------------------------------------------------------- up

Task<Result<void>> DockerDriver::prepare(InstanceSpec spec, ProgressSink progress) {
    co_return co_await pulls_.ensure(spec.image, spec.container.image_size, std::move(progress));
}

Task<Result<InstanceHandle>> DockerDriver::start(InstanceSpec spec) {
    if (!parse_marker(spec.identity.marker())) {
        co_return fail(
            ErrorCode::invalid_argument,
            fmt::format(
                "{} does not identify an instance: a part is empty or holds a /.",
                spec.identity.marker()
            )
        );
    }
    auto by_hand = co_await go_on_with(spec);
    if (!by_hand) {
        co_return propagate(by_hand);
    }
    if (*by_hand) {
        co_return **std::move(by_hand);
    }
    if (const auto clear = co_await clear_the_way(spec); !clear) {
        co_return propagate(clear);
    }
    make_folders(spec);
    const auto id = co_await create(spec);
    if (!id) {
        co_return propagate(id);
    }
    if (const auto running = co_await run(spec, *id); !running) {
        co_return propagate(running);
    }
    const auto one = co_await container(*id);
    if (!one) {
        co_return propagate(one);
    }
    auto owned = owned_container(*one);
    if (!owned) {
        co_return fail(
            ErrorCode::runtime_failed, fmt::format("{} went right after its start.", spec.name)
        );
    }
    // One that ended at once has no port any more; its end is told by wait().
    co_return std::move(owned->handle);
}

// What is left of this identity goes; what runs is a conflict.
Task<Result<void>> DockerDriver::clear_the_way(const InstanceSpec& spec) {
    Filters labels{
        equals(kInstallLabel, spec.identity.install.value),
        equals(kSlotLabel, spec.identity.slot.value),
        equals(kGenerationLabel, fmt::to_string(spec.identity.generation.value))
    };
    const auto found = co_await containers(std::move(labels));
    if (!found) {
        co_return propagate(found);
    }
    for (const Json& one : *found) {
        if (container_status(one).state == InstanceStatus::State::running) {
            co_return fail(
                ErrorCode::conflict,
                fmt::format("{} runs already as container {}.", spec.name, container_name(one)),
                "Stop it first."
            );
        }
        if (const auto gone = co_await remove(text_at(one, "Id"), spec.name); !gone) {
            co_return propagate(gone);
        }
    }
    co_return Result<void>{};
}

Task<Result<std::string>> DockerDriver::create(const InstanceSpec& spec) {
    const auto place = co_await host();
    if (!place) {
        co_return propagate(place);
    }
    Json body = docker_create_request(spec, *place);
    body["Labels"][std::string{kDigestLabel}] = co_await digest_of(spec.image);
    for (const bool again : {true, false}) {
        DockerCall ask{
            .method = "POST",
            .path = "/containers/create",
            .query = {{"name", spec.name}},
            .body = json_text(body),
            .limit = kCreateLimit
        };
        const auto reply = co_await api_.call(std::move(ask));
        if (!reply) {
            co_return propagate(reply);
        }
        if (reply->ok()) {
            co_return text_at(reply->body(), "Id");
        }
        if (reply->status != 409 || !again) {
            co_return fail(docker_error(reply->status, reply->message(), "Making " + spec.name));
        }
        if (const auto freed = co_await free_the_name(spec); !freed) {
            co_return propagate(freed);
        }
    }
    co_return fail(ErrorCode::internal, "A container was neither made nor refused.");
}

// The name is taken: by a dead container of ours, which goes, or by somebody who is named.
Task<Result<void>> DockerDriver::free_the_name(const InstanceSpec& spec) {
    const auto holder = co_await container(spec.name);
    if (!holder) {
        co_return propagate(holder);
    }
    if (holder->is_null()) {
        co_return Result<void>{};
    }
    const bool runs = container_status(*holder).state == InstanceStatus::State::running;
    const std::string install = container_label(*holder, kInstallLabel);
    if (install == spec.identity.install.value && !runs) {
        co_return co_await remove(text_at(*holder, "Id"), spec.name);
    }
    const std::string whose = install.empty()
                                  ? "which is not nova's"
                                  : (install == spec.identity.install.value
                                         ? "an older one of this nova"
                                         : "which belongs to another nova on this machine");
    co_return fail(Error{
        .code = ErrorCode::conflict,
        .message = fmt::format(
            "The name {} is taken by a container {} (image {}, {}).", spec.name, whose,
            text_at(member(*holder, "Config"), "Image"), runs ? "running" : "stopped"
        ),
        .word = "name_taken",
        .remedy = fmt::format(
            "If it is not needed: docker rm -f {0}. Else give it another name: docker rename {0} "
            "OTHER",
            spec.name
        ),
    });
}

Task<Result<void>> DockerDriver::run(const InstanceSpec& spec, std::string id) {
    DockerCall ask{.method = "POST", .path = container_path(id, "/start"), .limit = kStartLimit};
    const auto reply = co_await api_.call(std::move(ask));
    if (reply && reply->ok()) {
        co_return Result<void>{};
    }
    const auto removed = co_await remove(id, spec.name);
    ignore(removed, "its label finds it again; why it did not start matters more");
    if (!reply) {
        co_return propagate(reply);
    }
    co_return fail(docker_error(reply->status, reply->message(), "Starting " + spec.name));
}

// As pulled, so that a container tells which of a moving tag's images it runs.
Task<std::string> DockerDriver::digest_of(std::string image) {
    const auto [repository, tag] = split_image(image);
    const std::string joint = tag.starts_with("sha256:") ? "@" : ":";
    DockerCall ask{.path = fmt::format("/images/{}{}{}/json", repository, joint, tag)};
    const auto reply = co_await api_.call(std::move(ask));
    if (!reply || !reply->ok()) {
        co_return std::string{};
    }
    const Json& digests = member(reply->body(), "RepoDigests");
    if (digests.is_array() && !digests.empty() && digests.front().is_string()) {
        co_return digests.front().get<std::string>();
    }
    co_return text_at(reply->body(), "Id");
}

Task<Result<ContainerHost>> DockerDriver::host() {
    const auto version = co_await api_.version();
    if (!version) {
        co_return propagate(version);
    }
    DockerCall ask{.path = "/info"};
    const auto info = co_await api_.call(std::move(ask));
    if (!info) {
        co_return propagate(info);
    }
    ContainerHost host;
    // Podman starts a container without its GPU when asked for Docker's nvidia driver.
    host.cdi = version->podman || knows_nvidia_cdi(info->body());
    add_rocm(host, options_.devices);
    if (!options_.own_container.empty()) {
        if (const auto added = co_await add_own_place(host); !added) {
            co_return propagate(added);
        }
    }
    co_return host;
}

// Where nova itself stands: its network, and what its folders are called on the daemon's machine.
Task<Result<void>> DockerDriver::add_own_place(ContainerHost& host) {
    const auto own = co_await container(options_.own_container);
    if (!own) {
        co_return propagate(own);
    }
    const Json& networks = member(member(*own, "NetworkSettings"), "Networks");
    if (networks.is_object()) {
        for (const auto& [name, network] : networks.items()) {
            // Names are known only in networks of one's own.
            if (name != "bridge" && name != "host" && name != "none") {
                host.network = name;
                break;
            }
        }
    }
    const Json& mounts = member(*own, "Mounts");
    if (mounts.is_array()) {
        for (const Json& mount : mounts) {
            host.paths[text_at(mount, "Destination")] = text_at(mount, "Source");
        }
    }
    co_return Result<void>{};
}

// ---------------------------------------------------------------- its end

Task<Result<ExitStatus>> DockerDriver::wait(InstanceHandle handle) {
    while (true) {
        DockerCall ask{
            .method = "POST",
            .path = container_path(handle.container_id, "/wait"),
            .query = {{"condition", "not-running"}},
            .limit = kWaitTurn
        };
        const auto reply = co_await api_.call(std::move(ask));
        co_await throw_if_cancelled();
        const bool turn_over = !reply && reply.error().code == ErrorCode::timeout;
        if (!reply && !turn_over) {
            co_return propagate(reply);
        }
        if (reply && !reply->ok() && reply->status != 404) {
            co_return fail(docker_error(reply->status, reply->message(), "Watching " + handle.name)
            );
        }
        auto ended = co_await how_it_ended(handle);
        co_await throw_if_cancelled();
        if (ended && ended->signal == SIGKILL && !ended->removed && !ended->out_of_memory) {
            // `docker rm -f` kills first: a moment later it is seen what it was.
            co_await clock_.sleep_for(kRemovalPause);
            const auto later = co_await container(handle.container_id);
            ended->removed = later && later->is_null();
        }
        if (!ended || ended->code || ended->signal || ended->out_of_memory || ended->removed) {
            co_return ended;
        }
        // It runs: the turn was over, or somebody started it again.
        co_await clock_.sleep_for(kRemovalPause);
    }
}

// An empty status: it runs.
Task<Result<ExitStatus>> DockerDriver::how_it_ended(InstanceHandle handle) {
    const auto one = co_await container(handle.container_id);
    if (!one) {
        co_return propagate(one);
    }
    if (one->is_null()) {
        ExitStatus removed;
        removed.removed = true;
        co_return removed;
    }
    const InstanceStatus status = container_status(*one);
    if (status.state == InstanceStatus::State::running || !status.exit) {
        co_return ExitStatus{};
    }
    co_await keep_log(handle.container_id, handle.log_path);
    co_return *status.exit;
}

Task<Result<void>> DockerDriver::stop(InstanceHandle handle, Force force) {
    const InstanceIdentity& identity = handle.identity;
    Filters labels{
        equals(kInstallLabel, identity.install.value), equals(kSlotLabel, identity.slot.value),
        equals(kGenerationLabel, fmt::to_string(identity.generation.value)),
        equals(kSpecLabel, identity.spec.value)
    };
    const auto found = co_await containers(std::move(labels));
    if (!found) {
        co_return propagate(found, fmt::format("Stopping {}", handle.name));
    }
    for (const Json& one : *found) {
        if (const auto ended = co_await end(one, force); !ended) {
            co_return propagate(ended);
        }
    }
    if (!found->empty() || handle.container_id.empty()) {
        co_return Result<void>{};
    }
    // One that was started by hand has no labels of this instance.
    auto by_hand = co_await container(handle.container_id);
    if (!by_hand) {
        co_return propagate(by_hand, fmt::format("Stopping {}", handle.name));
    }
    Json ours = as_ours(*std::move(by_hand), identity, handle.log_path);
    if (ours.is_null()) {
        co_return Result<void>{};
    }
    co_return co_await end(std::move(ours), force);
}

Task<Result<void>> DockerDriver::end(Json container, Force force) {
    const std::string id = text_at(container, "Id");
    const std::string name = container_name(container);
    const auto owned = owned_container(container);
    const seconds grace = owned ? owned->handle.grace : seconds{10};
    if (container_status(container).state == InstanceStatus::State::running) {
        DockerCall ask{.method = "POST"};
        if (force == Force::graceful) {
            ask.path = container_path(id, "/stop");
            ask.query = {{"t", fmt::to_string(grace.count())}};
            ask.limit = grace + kStopMargin;
        } else {
            ask.path = container_path(id, "/kill");
            ask.query = {{"signal", "SIGKILL"}};
        }
        const auto reply = co_await api_.call(std::move(ask));
        if (!reply) {
            co_return propagate(reply, fmt::format("Stopping {}", name));
        }
        // 409: it ended meanwhile; 404: it is gone.
        if (!reply->ok() && reply->status != 404 && reply->status != 409) {
            co_return fail(docker_error(reply->status, reply->message(), "Stopping " + name));
        }
    }
    co_await keep_log(id, container_label(container, kLogLabel));
    co_return co_await remove(id, name);
}

Task<Result<void>> DockerDriver::remove(std::string id, std::string name) {
    DockerCall ask{
        .method = "DELETE",
        .path = container_path(id, ""),
        .query = {{"force", "1"}, {"v", "1"}},
        .limit = kRemoveLimit
    };
    const auto reply = co_await api_.call(std::move(ask));
    if (!reply) {
        co_return propagate(reply, fmt::format("Removing {}", name));
    }
    if (!reply->ok() && reply->status != 404 && reply->status != 409) {
        co_return fail(docker_error(reply->status, reply->message(), "Removing " + name));
    }
    if (reply->status != 409) {
        co_return Result<void>{};
    }
    // Somebody removes it at this moment.
    for (int look = 0; look < kRemovalLooks; ++look) {
        const auto one = co_await container(id);
        if (!one) {
            co_return propagate(one, fmt::format("Removing {}", name));
        }
        if (one->is_null()) {
            co_return Result<void>{};
        }
        co_await clock_.sleep_for(kRemovalPause);
    }
    co_return fail(docker_error(reply->status, reply->message(), "Removing " + name));
}

}  // namespace nova::runtime

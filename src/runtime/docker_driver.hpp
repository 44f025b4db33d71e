// Engines in containers, by Docker's Engine API or Podman's compatible one. No docker program is
// ever started.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/docker_api.hpp"
#include "runtime/docker_by_hand.hpp"
#include "runtime/docker_create.hpp"
#include "runtime/docker_pulls.hpp"
#include "runtime/runtime_driver.hpp"

namespace nova::runtime {

struct DockerDriverOptions {
    std::string socket = "/var/run/docker.sock";
    DockerPullLimits pulls{};
    std::string own_container{};  // nova's own id or name, when it runs in one (decisions.md 2.28)
    std::string devices = "/dev";
};

// Single-threaded: all calls on the executor's thread. A container is nova's by its labels alone; a
// stranger's that stands in the way is named, never touched. Ends nothing when it is destroyed.
class DockerDriver final : public RuntimeDriver {
public:
    DockerDriver(asio::any_io_executor executor, Clock& clock, DockerDriverOptions options);

    Task<Result<Fingerprint>> fingerprint() override;
    // Pulls the image unless it is here.
    Task<Result<void>> prepare(InstanceSpec spec, ProgressSink progress) override;
    // Error conflict: name or identity taken; precondition: port, GPU; not_found: image.
    Task<Result<InstanceHandle>> start(InstanceSpec spec) override;
    Task<Result<InstanceStatus>> inspect(InstanceHandle handle) override;
    // Errors while the daemon is away: the instance may run on (live-restore).
    Task<Result<ExitStatus>> wait(InstanceHandle handle) override;
    // Removes the container; its log stays as the file of the run.
    Task<Result<void>> stop(InstanceHandle handle, Force force) override;
    Task<Result<std::vector<OwnedInstance>>> list_owned(InstallId install, SlotName slot) override;
    Task<Result<std::string>> log_tail(InstanceHandle handle, Bytes at_most) override;
    // In the container. Error conflict: it does not run.
    Task<Result<ExecOutput>>
    exec(InstanceHandle handle, std::vector<std::string> argv, Deadline deadline) override;
    // Services of deploy/compose that somebody started and that run.
    Task<Result<std::vector<ServiceByHand>>> services_by_hand(SlotName slot);

private:
    using Filters = std::vector<std::string>;  // "label=value", all of them

    static std::string equals(std::string_view label, std::string_view value);
    Task<Result<Json>> container(std::string id);  // null: there is none
    Task<Result<std::vector<Json>>> containers(Filters labels);
    Task<Result<std::optional<InstanceHandle>>> go_on_with(const InstanceSpec& spec);
    Task<Result<void>> clear_the_way(const InstanceSpec& spec);
    Task<Result<void>> free_the_name(const InstanceSpec& spec);
    Task<Result<std::string>> create(const InstanceSpec& spec);
    Task<Result<void>> run(const InstanceSpec& spec, std::string id);
    Task<Result<ContainerHost>> host();
    Task<Result<void>> add_own_place(ContainerHost& host);
    Task<std::string> digest_of(std::string image);
    Task<Result<std::string>> log(std::string id, std::size_t lines, std::size_t most);
    Task<void> keep_log(std::string id, std::string path);
    Task<Result<void>> end(Json container, Force force);
    Task<Result<void>> remove(std::string id, std::string name);
    Task<Result<ExitStatus>> how_it_ended(InstanceHandle handle);

    Clock& clock_;
    DockerDriverOptions options_;
    DockerApi api_;
    DockerPulls pulls_;
};

}  // namespace nova::runtime

// What to run and how to recognise it again: plain values shared by drivers and lifecycle.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/secret.hpp"
#include "core/strong.hpp"
#include "core/units.hpp"

namespace nova::runtime {

// Proof that an instance is ours (decisions.md 2.3): NOVA_INSTANCE=install/slot/generation/spec in
// the environment of every process, labels nova.install, nova.slot, … on containers.
struct InstanceIdentity {
    InstallId install;
    SlotName slot;
    Generation generation;
    SpecHash spec;

    auto operator<=>(const InstanceIdentity&) const = default;
    std::string marker() const;  // "install/slot/7/3fa9…"
};

// The marker taken apart; empty when it is not one.
std::optional<InstanceIdentity> parse_marker(std::string_view marker);

enum class RuntimeKind : std::uint8_t { process, docker, external };

std::string_view word(RuntimeKind kind);
std::optional<RuntimeKind> runtime_kind_from(std::string_view word);

// docker: a folder of the host, or a named volume (no slash), as the container sees it.
struct Mount {
    std::string host_path;
    std::string container_path;
    bool read_only = false;
};

// docker: what a container is told beyond program, environment and mounts.
struct ContainerNeeds {
    std::uint16_t port = 0;         // it listens on, inside
    std::vector<std::string> gpus;  // indices or UUIDs; empty: every GPU of the accelerator
    Bytes shared_memory;            // /dev/shm; 0: Docker's 64 MiB
    bool host_ipc = false;          // workers of several GPUs that share the host's memory names
    bool locked_memory = false;     // memlock without a limit
    Bytes image_size;               // on the disk, where the engine's data says it; 0: not known
};

// In argv and env values "{port}" stands for the port the driver chose when port is 0; in a
// container for the one it listens on inside.
struct InstanceSpec {
    InstanceIdentity identity;
    RuntimeKind runtime = RuntimeKind::process;
    std::string name;                        // nova-llamacpp, or nova-llamacpp-2 for a candidate
    std::string program;                     // process: name to find on the search path, or a path
    std::vector<std::string> argv;           // without the program
    std::map<std::string, std::string> env;  // exactly these, plus PATH, HOME, LANG and the marker
    std::vector<std::string> secret_env;     // names in env whose values must not be shown
    std::string image;                       // docker, likewise the next three
    std::string accelerator;                 // cuda, rocm, cpu: which devices it is given
    std::vector<Mount> mounts;
    ContainerNeeds container;
    Endpoint listen{.host = "127.0.0.1", .port = 0, .tls = false};  // external: where it is
    std::string log_path;                                           // O_APPEND file of this run
    std::string working_directory;                                  // empty: that of the log file
    int stop_signal = 15;
    std::chrono::seconds grace{10};
};

struct InstanceHandle {
    RuntimeKind runtime = RuntimeKind::process;
    InstanceIdentity identity;
    std::string name;
    Endpoint endpoint;
    std::string log_path;
    // process: pid + start time (clock ticks since boot) + boot id name one process for ever.
    std::int64_t pid = 0;
    std::uint64_t start_ticks = 0;
    std::string boot_id;
    std::string container_id;
    int stop_signal = 15;
    std::chrono::seconds grace{10};

    bool operator==(const InstanceHandle&) const = default;
};

// How it ended. Adopted processes are not our children: their status is unknown
// (decisions.md 2.12).
struct ExitStatus {
    std::optional<int> code;
    std::optional<int> signal;
    bool out_of_memory = false;
    bool removed = false;      // its container is not there any more, and nova did not end it
    std::string text() const;  // "exited with code 1", "was killed by signal 9", "ended"
};

struct InstanceStatus {
    enum class State : std::uint8_t { running, gone };
    State state = State::gone;
    std::optional<ExitStatus> exit;
    bool paused = false;  // it runs, and answers nothing: somebody paused the container
};

}  // namespace nova::runtime

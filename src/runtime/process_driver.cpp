// Intent first, then the spawn, then the facts: nova may be killed between any two lines.
#include "runtime/process_driver.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "process/command.hpp"
#include "process/oom_kill.hpp"
#include "process/program_search.hpp"
#include "runtime/log_file.hpp"

namespace nova::runtime {
namespace {

constexpr std::string_view kMarkerKey = "NOVA_INSTANCE";
constexpr std::string_view kPortHole = "{port}";
// How long killing may take before a process counts as stuck in the kernel.
constexpr std::chrono::seconds kKillLimit{10};
constexpr Bytes kExecOutputLimit = mib(1);

std::string with_port(std::string text, std::string_view port) {
    for (std::size_t at = text.find(kPortHole); at != std::string::npos;
         at = text.find(kPortHole, at + port.size())) {
        text.replace(at, kPortHole.size(), port);
    }
    return text;
}

// Binds and lets go. 0 asks the kernel for a free port. The reuse option ignores connections that
// are merely winding down, as the engines do; a listener still refuses.
Result<std::uint16_t> free_port(std::uint16_t wanted) {
    const process::FileDescriptor socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(wanted);
    socklen_t size = sizeof address;
    const int yes = 1;
    if (wanted != 0) {
        ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    }
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (!socket.open() || ::bind(socket.get(), generic, size) != 0 ||
        ::listen(socket.get(), 1) != 0 || ::getsockname(socket.get(), generic, &size) != 0) {
        return fail(
            ErrorCode::precondition,
            fmt::format("Port {} on 127.0.0.1 cannot be used: {}.", wanted, ::strerror(errno)),
            "End what listens there, or let nova choose a port."
        );
    }
    return ntohs(address.sin_port);
}

process::ProcessIdentity identity_of(const InstanceHandle& handle) {
    return {.pid = handle.pid, .start_ticks = handle.start_ticks, .boot_id = handle.boot_id};
}

process::ProcessFamily family_of(const InstanceHandle& handle) {
    return {
        .leader = identity_of(handle),
        .marker_key = std::string{kMarkerKey},
        .marker_value = handle.identity.marker()
    };
}

// llama.cpp's release archives keep their libraries beside the program, without an RPATH.
bool holds_llama_libraries(const std::filesystem::path& folder) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator{folder, error}) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with("libllama") && name.find(".so") != std::string::npos) {
            return true;
        }
    }
    return false;
}

// The handle of an instance nobody wrote down: its first process opened a session of its own, and
// its port stands behind --port.
InstanceHandle handle_without_record(
    const InstanceIdentity& identity, const std::vector<process::MarkedProcess>& members
) {
    InstanceHandle handle;
    handle.identity = identity;
    handle.name = identity.marker();
    handle.endpoint.host = "127.0.0.1";
    const auto first = std::ranges::find_if(members, [](const process::MarkedProcess& member) {
        return member.session == member.identity.pid;
    });
    const auto& leader = first == members.end() ? members.front() : *first;
    handle.pid = leader.identity.pid;
    handle.start_ticks = leader.identity.start_ticks;
    handle.boot_id = leader.identity.boot_id;
    const auto words = process::command_line(handle.pid);
    const auto option = std::ranges::find(words, "--port");
    if (option != words.end() && option + 1 != words.end()) {
        const std::string& text = *(option + 1);
        std::from_chars(text.data(), text.data() + text.size(), handle.endpoint.port);
    }
    return handle;
}

}  // namespace

ProcessDriver::ProcessDriver(
    asio::any_io_executor executor, Clock& clock, ProcessDriverOptions options
)
    : clock_{clock}, options_{std::move(options)}, search_{options_.program_folders},
      records_{options_.records_folder}, children_{std::move(executor)} {
    for (std::string& folder : process::folders_of(options_.path)) {
        search_.push_back(std::move(folder));
    }
}

Task<Result<Fingerprint>> ProcessDriver::fingerprint() {
    co_return Fingerprint{
        .usable = true,
        .detail = fmt::format("programs are looked for in {}", fmt::join(search_, ", "))
    };
}

Result<std::string> ProcessDriver::find(const std::string& program) const {
    if (auto path = process::find_program(program, search_)) {
        return *std::move(path);
    }
    if (program.find('/') != std::string::npos) {
        return fail(
            ErrorCode::not_found, fmt::format("There is no program at {}.", program),
            "Check the path, and that the file may be executed."
        );
    }
    return fail(Error{
        .code = ErrorCode::not_found,
        .message = fmt::format("The program {} is not in {}.", program, fmt::join(search_, ", ")),
        .word = "program_not_found",
        .remedy = fmt::format("Install {}, or put the folder it lies in on PATH.", program),
    });
}

Task<Result<void>> ProcessDriver::prepare(InstanceSpec spec, ProgressSink progress) {
    const auto path = find(spec.program);
    if (!path) {
        co_return propagate(path);
    }
    if (progress) {
        progress({.step = "program", .detail = *path, .done = {}, .total = std::nullopt});
    }
    co_return Result<void>{};
}

std::vector<std::string> ProcessDriver::base_environment() const {
    std::vector<std::string> variables{"PATH=" + options_.path};
    if (!options_.home.empty()) {
        variables.push_back("HOME=" + options_.home);
    }
    if (!options_.lang.empty()) {
        variables.push_back("LANG=" + options_.lang);
    }
    return variables;
}

std::vector<std::string> ProcessDriver::environment(
    const InstanceSpec& spec, const std::string& program, const std::string& port
) const {
    std::map<std::string, std::string> values{{"PATH", options_.path}};
    if (!options_.home.empty()) {
        values["HOME"] = options_.home;
    }
    if (!options_.lang.empty()) {
        values["LANG"] = options_.lang;
    }
    std::error_code error;
    const auto real = std::filesystem::canonical(program, error);
    if (!error && holds_llama_libraries(real.parent_path())) {
        values["LD_LIBRARY_PATH"] = real.parent_path().string();
    }
    for (const auto& [key, value] : spec.env) {
        values[key] = with_port(value, port);
    }
    values[std::string{kMarkerKey}] = spec.identity.marker();
    std::vector<std::string> variables;
    for (const auto& [key, value] : values) {
        variables.push_back(key + "=" + value);
    }
    return variables;
}

std::optional<std::int64_t> ProcessDriver::pid_of(const InstanceIdentity& identity) const {
    process::ProcessFamily family{
        .leader = {}, .marker_key = std::string{kMarkerKey}, .marker_value = identity.marker()
    };
    for (const InstanceHandle& record : records_.load(identity.install, identity.slot)) {
        if (record.identity == identity) {
            family = family_of(record);
        }
    }
    const auto members = process::living(family);
    return members.empty() ? std::nullopt : std::optional{members.front().pid};
}

Task<Result<InstanceHandle>> ProcessDriver::start(InstanceSpec spec) {
    co_return launch(spec);
}

// Without an await: from the intent to the facts nobody else runs on this thread.
Result<InstanceHandle> ProcessDriver::launch(const InstanceSpec& spec) {
    const std::string marker = spec.identity.marker();
    if (!parse_marker(marker)) {
        return fail(
            ErrorCode::invalid_argument,
            fmt::format("{} does not identify an instance: a part is empty or holds a /.", marker)
        );
    }
    if (const auto pid = pid_of(spec.identity)) {
        return fail(
            ErrorCode::conflict, fmt::format("{} runs already as process {}.", spec.name, *pid),
            "Stop it first."
        );
    }
    const auto program = find(spec.program);
    if (!program) {
        return propagate(program);
    }
    if (const auto made = make_log_folder(spec.log_path); !made) {
        return propagate(made);
    }
    const auto port = free_port(spec.listen.port);
    if (!port) {
        return propagate(port);
    }

    InstanceHandle handle;
    handle.runtime = RuntimeKind::process;
    handle.identity = spec.identity;
    handle.name = spec.name;
    handle.endpoint = spec.listen;
    handle.endpoint.port = *port;
    handle.log_path = spec.log_path;
    handle.stop_signal = spec.stop_signal;
    handle.grace = spec.grace;
    if (const auto saved = records_.save(handle); !saved) {
        return propagate(saved);
    }

    const std::string port_text = std::to_string(*port);
    process::SpawnRequest request{
        .program = *program,
        .argv = spec.argv,
        .env = environment(spec, *program, port_text),
        .working_directory = spec.working_directory
    };
    for (std::string& word : request.argv) {
        word = with_port(std::move(word), port_text);
    }
    if (request.working_directory.empty()) {
        request.working_directory = std::filesystem::path{spec.log_path}.parent_path().string();
    }
    const auto kills = process::oom_kills();
    const auto started = children_.start(request, spec.log_path);
    if (!started) {
        records_.remove(spec.identity);
        return propagate(started);
    }
    handle.pid = started->pid;
    handle.start_ticks = started->start_ticks;
    handle.boot_id = started->boot_id;
    if (kills) {
        kills_before_.insert_or_assign(handle.pid, *kills);
    }
    ignore(records_.save(handle), "it runs; the intent and the marker are enough to find it again");
    return handle;
}

ExitStatus ProcessDriver::status_of(const InstanceHandle& handle, const process::Exit& exit) const {
    const auto before = kills_before_.find(handle.pid);
    const bool asked = exit.signal == SIGKILL && before != kills_before_.end();
    return {
        .code = exit.code,
        .signal = exit.signal,
        .out_of_memory = asked && process::killed_for_memory(handle.pid, before->second)
    };
}

Task<Result<InstanceStatus>> ProcessDriver::inspect(InstanceHandle handle) {
    const auto exit = children_.ended(identity_of(handle));
    if (!exit) {
        co_return InstanceStatus{.state = InstanceStatus::State::running, .exit = std::nullopt};
    }
    co_return InstanceStatus{
        .state = InstanceStatus::State::gone, .exit = status_of(handle, *exit)
    };
}

Task<Result<ExitStatus>> ProcessDriver::wait(InstanceHandle handle) {
    const process::Exit exit = co_await children_.wait(identity_of(handle));
    co_return status_of(handle, exit);
}

Task<Result<void>> ProcessDriver::stop(InstanceHandle handle, Force force) {
    const bool gentle = force == Force::graceful;
    const auto grace =
        gentle ? std::chrono::nanoseconds{handle.grace} : std::chrono::nanoseconds{0};
    process::EndRequest request{
        .family = family_of(handle),
        .by = gentle ? process::EndBy::signal_first : process::EndBy::kill,
        .stop_signal = handle.stop_signal,
        .grace = Deadline::in(clock_, grace),
        .give_up = Deadline::in(clock_, grace + kKillLimit)
    };
    const auto ended = co_await process::end_family(std::move(request));
    if (!ended) {
        co_return propagate(ended, fmt::format("Stopping {}", handle.name));
    }
    children_.ended(identity_of(handle));  // reaps it now, when it was our child
    records_.remove(handle.identity);
    co_return Result<void>{};
}

Task<Result<std::vector<OwnedInstance>>>
ProcessDriver::list_owned(InstallId install, SlotName slot) {
    const std::string prefix = fmt::format("{}/{}/", install.value, slot.value);
    std::map<InstanceIdentity, std::vector<process::MarkedProcess>> running;
    for (auto& marked : process::find_by_marker(kMarkerKey, prefix)) {
        if (const auto identity = parse_marker(marked.value)) {
            running[*identity].push_back(std::move(marked));
        }
    }
    std::vector<OwnedInstance> owned;
    const auto add = [&owned](const InstanceHandle& handle) {
        OwnedInstance instance{.handle = handle, .status = {}};
        if (process::alive(identity_of(handle))) {
            instance.status.state = InstanceStatus::State::running;
        }
        owned.push_back(std::move(instance));
    };
    for (InstanceHandle& record : records_.load(install, slot)) {
        const auto members = running.extract(record.identity);
        if (members.empty() && process::living(family_of(record)).empty()) {
            records_.remove(record.identity);  // ended long ago, or never came to life
            continue;
        }
        if (record.pid == 0 && !members.empty()) {  // killed between the intent and the facts
            const auto found = handle_without_record(record.identity, members.mapped());
            record.pid = found.pid;
            record.start_ticks = found.start_ticks;
            record.boot_id = found.boot_id;
            ignore(records_.save(record), "the marker finds it again as well");
        }
        add(record);
    }
    for (const auto& [identity, members] : running) {
        add(handle_without_record(identity, members));
    }
    co_return owned;
}

Task<Result<std::string>> ProcessDriver::log_tail(InstanceHandle handle, Bytes at_most) {
    co_return tail_of_log(handle.log_path, at_most, handle.name);
}

Task<Result<ExecOutput>>
ProcessDriver::exec(InstanceHandle handle, std::vector<std::string> argv, Deadline deadline) {
    if (argv.empty()) {
        co_return fail(ErrorCode::invalid_argument, "A command needs at least its name.");
    }
    const auto program = find(argv.front());
    if (!program) {
        co_return propagate(program);
    }
    process::SpawnRequest request{
        .program = *program,
        .argv = {argv.begin() + 1, argv.end()},
        .env = base_environment(),
        .working_directory = std::filesystem::path{handle.log_path}.parent_path().string()
    };
    auto output = co_await process::run_command(std::move(request), deadline, kExecOutputLimit);
    if (!output) {
        co_return propagate(output);
    }
    co_return ExecOutput{
        .exit_code = output->exit_code, .out = std::move(output->out), .err = std::move(output->err)
    };
}

}  // namespace nova::runtime

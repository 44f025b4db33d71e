// What containers say: their logs, and commands beside the engine.
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"
#include "runtime/docker_driver.hpp"
#include "runtime/docker_error.hpp"
#include "runtime/docker_json.hpp"
#include "runtime/docker_stream.hpp"
#include "runtime/log_file.hpp"

namespace nova::runtime {
namespace {

constexpr std::chrono::seconds kLogLimit{15};
constexpr std::size_t kKeptLines = 20'000;
constexpr std::size_t kKeptLog = 4U * 1024U * 1024U;
constexpr std::size_t kExecOutput = 1024U * 1024U;

}  // namespace

Task<Result<std::string>> DockerDriver::log(std::string id, std::size_t lines, std::size_t most) {
    DockerCall ask{
        .path = container_path(id, "/logs"),
        .query = {{"stdout", "1"}, {"stderr", "1"}, {"tail", fmt::to_string(lines)}},
        .limit = kLogLimit
    };
    auto answer = co_await api_.open(std::move(ask));
    if (!answer) {
        co_return propagate(answer);
    }
    if (answer->status != 200) {
        const auto refused = co_await api_.refusal(*std::move(answer));
        co_return refused ? Result<std::string>{fail(
                                docker_error(refused->status, refused->message(), "Reading the log")
                            )}
                          : Result<std::string>{propagate(refused)};
    }
    DockerStream stream{DockerStream::Join::mixed, most};
    while (true) {
        const auto piece = co_await answer->connection->read_body_some();
        if (!piece) {
            co_return propagate(piece, "Reading the log");
        }
        if (piece->empty() || !stream.feed(*piece)) {
            break;
        }
    }
    co_return tail_of_text(stream.out(), Bytes{most});
}

Task<Result<std::string>> DockerDriver::log_tail(InstanceHandle handle, Bytes at_most) {
    // Few lines are shorter than this; asking for all of them would read the whole log.
    constexpr std::size_t kShortLine = 20;
    const auto most = static_cast<std::size_t>(std::min(at_most.count, std::uint64_t{kKeptLog}));
    auto text = co_await log(handle.container_id, most / kShortLine + 1, most);
    if (text) {
        co_return text;
    }
    co_return tail_of_log(handle.log_path, at_most, handle.name);
}

Task<void> DockerDriver::keep_log(std::string id, std::string path) {
    if (path.empty()) {
        co_return;
    }
    const auto text = co_await log(std::move(id), kKeptLines, kKeptLog);
    if (text) {
        ignore(write_log(path, *text), "the end of an engine does not depend on its log");
    }
}

Task<Result<ExecOutput>>
DockerDriver::exec(InstanceHandle handle, std::vector<std::string> argv, Deadline deadline) {
    if (argv.empty()) {
        co_return fail(ErrorCode::invalid_argument, "A command needs at least its name.");
    }
    const std::string doing = fmt::format("Running {} in {}", argv.front(), handle.name);
    DockerCall make{
        .method = "POST",
        .path = container_path(handle.container_id, "/exec"),
        .limit = deadline.left(clock_)
    };
    make.body = json_text(Json{{"AttachStdout", true}, {"AttachStderr", true}, {"Cmd", argv}});
    const auto made = co_await api_.call(std::move(make));
    if (!made) {
        co_return propagate(made, doing);
    }
    if (!made->ok()) {
        co_return fail(docker_error(made->status, made->message(), doing));
    }
    const std::string path = "/exec/" + docker_escaped(text_at(made->body(), "Id"));
    DockerCall begin{.method = "POST", .path = path + "/start", .limit = deadline.left(clock_)};
    begin.body = json_text(Json{{"Detach", false}, {"Tty", false}});
    auto answer = co_await api_.open(std::move(begin));
    if (!answer) {
        co_return propagate(answer, doing);
    }
    if (answer->status != 200) {
        const auto refused = co_await api_.refusal(*std::move(answer));
        co_return refused
            ? Result<ExecOutput>{fail(docker_error(refused->status, refused->message(), doing))}
            : Result<ExecOutput>{propagate(refused)};
    }
    DockerStream stream{DockerStream::Join::apart, kExecOutput};
    while (true) {
        const auto piece = co_await answer->connection->read_body_some();
        if (!piece) {
            co_return propagate(piece, doing);
        }
        if (piece->empty() || !stream.feed(*piece)) {
            break;
        }
    }
    DockerCall ask{.path = path + "/json"};
    const auto ended = co_await api_.call(std::move(ask));
    if (!ended) {
        co_return propagate(ended, doing);
    }
    ExecOutput output{.out = stream.out(), .err = stream.err()};
    const Json& code = member(ended->body(), "ExitCode");
    if (code.is_number_integer()) {
        output.exit_code = code.get<int>();
    }
    co_return output;
}

}  // namespace nova::runtime

// Opens what may refuse, says the sentence when it does, and hands over to the daemon.
#include "app/serve.hpp"

#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "app/daemon.hpp"

namespace nova::app {
namespace {

ExitCode complain(const Error& error) {
    fmt::print(stderr, "nova: {}\n", error.message);
    if (!error.remedy.empty()) {
        fmt::print(stderr, "      {}\n", error.remedy);
    }
    return policy(error.code).exit_code;
}

// contract.md 2: beyond loopback credentials must exist, and API keys do not yet.
std::optional<Error> open_without_keys(const config::BootConfig& boot) {
    if (config::is_loopback(boot.gateway_listen.value)) {
        return std::nullopt;
    }
    return Error{
        .code = ErrorCode::precondition,
        .message = fmt::format(
            "The gateway would be open to the network at {} without any API key.",
            boot.gateway_listen.value.text()
        ),
        .remedy = "Listen on 127.0.0.1; API keys arrive with a later version.",
    };
}

}  // namespace

ExitCode run_serve(const config::BootConfig& boot, Log& log) {
    if (const auto refused = open_without_keys(boot)) {
        return complain(*refused);
    }
    auto directory = store::DataDirectory::open(boot.data_dir.value.string());
    if (!directory) {
        return complain(directory.error());
    }
    Result<Secret> secret = boot.admin_secret.value;
    if (secret->empty()) {
        secret = directory->admin_secret();
    } else if (const auto refused = config::secret_refused(*secret)) {
        return complain(*refused);
    }
    if (!secret) {
        return complain(secret.error());
    }
    log.redactor().add_secret(secret->reveal());
    DaemonInputs inputs{
        .boot = boot,
        .environment = config::process_environment(),
        .directory = std::move(*directory),
        .admin_secret = std::move(*secret),
    };
    const auto ended = run_daemon(std::move(inputs), log);
    if (!ended) {
        return complain(ended.error());
    }
    return ExitCode::ok;
}

}  // namespace nova::app

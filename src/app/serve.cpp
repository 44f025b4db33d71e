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

}  // namespace

ExitCode run_serve(const config::BootConfig& boot, Log& log) {
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

// posix_spawn with everything set that POSIX would otherwise let the child inherit.
#include "process/spawn.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

namespace nova::process {
namespace {

class Actions {
public:
    Actions() { ::posix_spawn_file_actions_init(&value_); }

    Actions(const Actions&) = delete;
    Actions& operator=(const Actions&) = delete;

    ~Actions() { ::posix_spawn_file_actions_destroy(&value_); }

    posix_spawn_file_actions_t* get() { return &value_; }

private:
    posix_spawn_file_actions_t value_;
};

class Attributes {
public:
    Attributes() { ::posix_spawnattr_init(&value_); }

    Attributes(const Attributes&) = delete;
    Attributes& operator=(const Attributes&) = delete;

    ~Attributes() { ::posix_spawnattr_destroy(&value_); }

    posix_spawnattr_t* get() { return &value_; }

private:
    posix_spawnattr_t value_;
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> list;
    list.reserve(texts.size() + 1);
    for (std::string& text : texts) {
        list.push_back(text.data());
    }
    list.push_back(nullptr);
    return list;
}

ErrorCode code_of(int error) {
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return ErrorCode::not_found;
    case EACCES:
    case EPERM:
        return ErrorCode::forbidden;
    case ENOMEM:
    case EAGAIN:
    case EMFILE:
    case ENFILE:
        return ErrorCode::exhausted;
    default:
        return ErrorCode::runtime_failed;
    }
}

}  // namespace

Result<ProcessIdentity> spawn(const SpawnRequest& request, int out, int err) {
    Actions actions;
    int error = 0;
    const auto keep = [&error](int result) { error = error != 0 ? error : result; };
    keep(::posix_spawn_file_actions_addopen(actions.get(), STDIN_FILENO, "/dev/null", O_RDONLY, 0));
    keep(::posix_spawn_file_actions_adddup2(actions.get(), out, STDOUT_FILENO));
    keep(::posix_spawn_file_actions_adddup2(actions.get(), err, STDERR_FILENO));
    keep(::posix_spawn_file_actions_addclosefrom_np(actions.get(), STDERR_FILENO + 1));
    if (!request.working_directory.empty()) {
        keep(
            ::posix_spawn_file_actions_addchdir_np(actions.get(), request.working_directory.c_str())
        );
    }

    Attributes attributes;
    sigset_t every;
    sigset_t none;
    ::sigfillset(&every);
    ::sigemptyset(&none);
    keep(::posix_spawnattr_setsigdefault(attributes.get(), &every));
    keep(::posix_spawnattr_setsigmask(attributes.get(), &none));
    keep(::posix_spawnattr_setflags(
        attributes.get(), POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK
    ));

    std::vector<std::string> words{request.program};
    words.insert(words.end(), request.argv.begin(), request.argv.end());
    std::vector<std::string> environment = request.env;
    const auto argv = pointers(words);
    const auto envp = pointers(environment);
    pid_t pid = 0;
    if (error == 0) {
        error = ::posix_spawn(
            &pid, request.program.c_str(), actions.get(), attributes.get(), argv.data(), envp.data()
        );
    }
    if (error != 0) {
        return fail(
            code_of(error),
            fmt::format("{} cannot be started: {}.", request.program, ::strerror(error))
        );
    }
    // The child is not reaped yet, so the pid is still its own even if it has ended by now.
    return child_identity(pid);
}

}  // namespace nova::process

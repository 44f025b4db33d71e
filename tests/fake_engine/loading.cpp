// Plays an engine's start: delay, reading the weights at a rate, the log lines, the listening port.
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <sstream>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine.hpp"

namespace fake {
namespace {

using std::chrono::milliseconds;

// Sleeping is what a fake engine does; in a test it would be a mistake.
void pause_for(milliseconds time) {
    std::this_thread::sleep_for(time);
}

void leave_orphan(const std::string& kind) {
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    // With default signals, so that it ends like any other process when somebody finds it.
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    const int session = kind == "session" ? POSIX_SPAWN_SETSID : 0;
    posix_spawnattr_setflags(&attributes, static_cast<short>(POSIX_SPAWN_SETSIGMASK | session));
    std::array<char, 16> name{"fake_engine"};
    std::array<char, 16> flag{"--orphan-child"};
    std::array<char*, 3> argv{name.data(), flag.data(), nullptr};
    pid_t child = 0;
    ::posix_spawn(&child, "/proc/self/exe", nullptr, &attributes, argv.data(), environ);
    posix_spawnattr_destroy(&attributes);
}

}  // namespace

Engine::Engine(Launch launch, Knobs knobs)
    : launch_(std::move(launch)), source_(std::move(knobs), launch_.state_file) {}

double Engine::seconds_up() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
}

void Engine::log(std::string_view line) {
    std::array<char, 64> stamp{};
    if (launch_.surface == "llamacpp") {
        const long us = static_cast<long>(seconds_up() * 1e6);
        std::snprintf(
            stamp.data(), stamp.size(), "%ld.%02ld.%03ld.%03ld I ", us / 60'000'000,
            us / 1'000'000 % 60, us / 1000 % 1000, us % 1000
        );
    } else {
        std::snprintf(stamp.data(), stamp.size(), "INFO %.3f ", seconds_up());
    }
    // One write for a line: a log that several threads share stays readable.
    std::string text = stamp.data();
    text.append(line).append("\n");
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

void Engine::crash(std::string_view why) {
    const auto knobs_now = knobs();
    if (!knobs_now->log_text.empty()) {
        log(knobs_now->log_text);
    }
    log(why);
    const long code = knobs_now->start_exit_code >= 0 && phase() == Phase::opening
                          ? knobs_now->start_exit_code
                          : knobs_now->exit_code;
    if (code > 128 && code < 128 + 65) {
        const int number = static_cast<int>(code - 128);
        ::signal(number, SIG_DFL);
        sigset_t only;
        sigemptyset(&only);
        sigaddset(&only, number);
        pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
        ::raise(number);
    }
    std::_Exit(static_cast<int>(code));
}

std::vector<std::string> Engine::models() {
    const auto knobs_now = knobs();
    std::vector<std::string> names;
    std::stringstream listed(knobs_now->models);
    for (std::string name; std::getline(listed, name, ',');) {
        names.push_back(name);
    }
    const std::lock_guard lock(mutex_);
    names.insert(names.end(), added_models_.begin(), added_models_.end());
    if (names.empty() && launch_.surface != "ollama") {
        names.push_back(
            !launch_.alias.empty()   ? launch_.alias
            : !launch_.model.empty() ? launch_.model
                                     : "fake-model"
        );
    }
    return names;
}

void Engine::add_model(std::string name) {
    const std::lock_guard lock(mutex_);
    added_models_.push_back(std::move(name));
}

bool Engine::knows_model(const std::string& name) {
    const auto names = models();
    if (launch_.surface != "ollama") {
        return std::ranges::find(names, name) != names.end();
    }
    const auto tagged = [](const std::string& n) { return n.contains(':') ? n : n + ":latest"; };
    return std::ranges::any_of(names, [&](const std::string& n) {
        return tagged(n) == tagged(name);
    });
}

void Engine::check_model_file() {
    const bool is_path = launch_.model.starts_with("/") || launch_.model.starts_with(".");
    if (!is_path || launch_.surface == "ollama" || ::access(launch_.model.c_str(), R_OK) == 0) {
        return;
    }
    log("srv    load_model: loading model '" + launch_.model + "'");
    log("gguf_init_from_file: failed to open GGUF file '" + launch_.model + "' (" +
        std::strerror(errno) + ")");
    log("llama_model_load: error loading model: llama_model_loader: failed to load model from " +
        launch_.model);
    log("srv  llama_server: exiting due to model loading error");
    std::_Exit(1);
}

void Engine::load_model() {
    const auto first = knobs();
    struct stat info{};
    const int file =
        launch_.model.empty() ? -1 : ::open(launch_.model.c_str(), O_RDONLY | O_CLOEXEC);
    long total = first->load_bytes;
    if (total == 0 && file >= 0 && ::fstat(file, &info) == 0) {
        total = info.st_size;
    }
    log("srv    load_model: loading model '" + launch_.model + "'");
    std::vector<char> block(1024 * 1024);
    const auto load_began = std::chrono::steady_clock::now();
    long done = 0;
    long reported = -1;
    while (total > 0) {
        const auto now = knobs();
        const long percent = done * 100 / total;
        if (percent / 10 != reported) {
            reported = percent / 10;
            log("load_tensors: " + std::to_string(percent) + " % of " + std::to_string(total) +
                " bytes");
        }
        if (done >= total) {
            break;
        }
        if (now->crash_now) {
            crash("terminate called: crash_now while loading");
        }
        if (now->stall_at_percent >= 0 && percent >= now->stall_at_percent) {
            pause_for(milliseconds(20));
            continue;
        }
        const long step =
            std::min<long>({total - done, static_cast<long>(block.size()) / 4, total / 100 + 1});
        if (file >= 0) {
            [[maybe_unused]] const auto got =
                ::pread(file, block.data(), static_cast<std::size_t>(step), done);
        }
        done += step;
        if (now->load_mb_per_s > 0) {
            std::this_thread::sleep_until(
                load_began + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                 std::chrono::duration<double>(
                                     static_cast<double>(done) / (now->load_mb_per_s * 1e6)
                                 )
                             )
            );
        }
    }
    if (file >= 0) {
        ::close(file);
    }
    log("srv  llama_server: model loaded");
}

void Engine::load_once() {
    std::call_once(loaded_, [this] { load_model(); });
}

void Engine::start() {
    const auto at_start = knobs();
    if (!at_start->refuse_flag.empty() &&
        std::ranges::find(launch_.argv, at_start->refuse_flag) != launch_.argv.end()) {
        const bool python = launch_.surface == "vllm" || launch_.surface == "sglang";
        const std::string line =
            python ? launch_.surface + ": error: unrecognized arguments: " + at_start->refuse_flag
                   : "error: invalid argument: " + at_start->refuse_flag;
        std::fprintf(stderr, "%s\n", line.c_str());
        std::_Exit(python ? 2 : 1);
    }
    if (!at_start->orphan.empty()) {
        leave_orphan(at_start->orphan);
    }
    if (at_start->start_exit_code >= 0) {
        crash("exiting at start");
    }
    check_model_file();
    pause_for(milliseconds(at_start->start_delay_ms));
    while (knobs()->never_listen) {
        pause_for(milliseconds(20));
    }
    // llama.cpp and Ollama open the port first; vLLM and SGLang only once the weights are loaded.
    // With nothing to load there is no moment at which a test could meet "Loading model".
    const bool nothing = launch_.model.empty() && at_start->load_bytes == 0;
    const bool load_later = launch_.surface == "llamacpp" && !nothing;
    phase_ = Phase::loading;
    if (!load_later && launch_.surface != "ollama") {
        load_model();
        phase_ = Phase::ready;
    }
    if (!listen_and_accept()) {
        log("srv  llama_server: couldn't bind HTTP server socket, hostname: " + launch_.host +
            ", port: " + std::to_string(launch_.port));
        std::_Exit(1);
    }
    if (load_later) {
        load_model();
    }
    phase_ = Phase::ready;
    announce_ready();
}

void Engine::announce_ready() {
    const std::string at = "http://" + launch_.host + ":" + std::to_string(port());
    if (launch_.surface == "vllm") {
        log("Starting vLLM server on " + at);
        log("Application startup complete.");
    } else if (launch_.surface == "sglang") {
        log("The server is fired up and ready to roll!");
    } else if (launch_.surface == "ollama") {
        log("Listening on " + launch_.host + ":" + std::to_string(port()) + " (version 0.17.4)");
    } else {
        log("srv  llama_server: listening on " + at);
    }
}

bool Engine::listen_and_accept() {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(launch_.port));
    const std::string host = launch_.host == "localhost" ? "127.0.0.1" : launch_.host;
    ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
    socklen_t size = sizeof address;
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener, 4096) != 0) {
        return false;
    }
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    // The one line on standard output: what a test that asked for port 0 waits for.
    std::printf("%d\n", port());
    std::fflush(stdout);
    std::thread([this, listener] {
        for (;;) {
            const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
            if (fd < 0) {
                if (errno == EMFILE || errno == ENFILE) {
                    pause_for(milliseconds(5));
                }
                continue;
            }
            const int yes = 1;
            ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            std::thread([this, fd] {
                if (launch_.bench) {
                    serve_bench(launch_, fd);
                } else {
                    serve_connection(*this, fd);
                }
            }).detach();
        }
    }).detach();
    return true;
}

void Engine::count_token(bool after_disconnect) {
    const long total = ++stats_.tokens_total;
    if (after_disconnect) {
        ++stats_.tokens_after_disconnect;
    }
    const auto now = knobs();
    if (now->crash_after_tokens >= 0 && total >= now->crash_after_tokens) {
        crash("GGML_ASSERT(false) failed: crash_after_tokens");
    }
}

}  // namespace fake

// A stand-in for llama-server, vLLM, SGLang and Ollama whose faults a test can order.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include "engine.hpp"

namespace {

constexpr unsigned int kOrphanLifeSeconds = 600;

void print_version(const std::string& surface) {
    if (surface == "ollama") {
        std::puts("ollama version is 0.17.4");
    } else if (surface == "llamacpp") {
        std::fprintf(
            stderr, "version: 0.6.0-dev (build 11434, commit fake)\nbuilt with fake_engine\n"
        );
    } else {
        std::puts("0.8.5");
    }
}

// A thousand clients at once need a thousand descriptors.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

// Signals are taken here, between ticks, so that "ignore SIGTERM" can be changed while it runs.
int watch(fake::Engine& engine, const sigset_t& signals) {
    const timespec tick{.tv_sec = 0, .tv_nsec = 20'000'000};
    std::vector<char> held;
    for (;;) {
        const int number = ::sigtimedwait(&signals, nullptr, &tick);
        const auto knobs = engine.knobs();
        if (knobs->crash_now) {
            engine.crash("terminate called: crash_now");
        }
        const auto wanted = static_cast<std::size_t>(std::max(0L, knobs->hold_mib)) << 20U;
        if (held.size() < wanted) {
            held.resize(wanted, 'x');
        }
        if (number == SIGTERM && knobs->ignore_sigterm) {
            engine.log("ignoring SIGTERM");
        } else if (number > 0) {
            engine.log("srv    operator(): cleaning up before exit...");
            std::this_thread::sleep_for(std::chrono::milliseconds(knobs->stop_delay_ms));
            std::_Exit(0);
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    fake::CommandLine line = fake::parse_command_line(argc, argv);
    if (!line.complaint.empty()) {
        std::fprintf(stderr, "fake_engine: %s\n", line.complaint.c_str());
        return 2;
    }
    if (line.action == "version") {
        print_version(line.launch.surface);
        return 0;
    }
    if (line.action == "fit") {
        std::puts("Host 92 180 109 ");
        return 0;
    }
    if (line.action == "orphan") {
        return static_cast<int>(::sleep(kOrphanLifeSeconds));
    }
    raise_descriptor_limit();
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    // Blocked before the first thread, so that none of them dies of what watch() decides.
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    // Never destroyed: threads of connections use it until the process ends.
    auto* engine = new fake::Engine(std::move(line.launch), std::move(line.knobs));
    std::thread([engine] { engine->start(); }).detach();
    return watch(*engine, signals);
}

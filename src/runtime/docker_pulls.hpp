// Images on their way: one pull for however many ask, watched for bytes that stop coming.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "core/units.hpp"
#include "runtime/docker_api.hpp"
#include "runtime/runtime_driver.hpp"

namespace nova::runtime {

struct DockerPullLimits {
    std::chrono::seconds stall{60};  // without a byte or a step
    Bytes reserve = mib(512);        // what a pull leaves free where Docker keeps its images
    std::string logins{};            // the config.json of docker login; empty: nobody signed in
};

// Single-threaded. Never tries again: what arrived whole is kept by Docker for whoever does.
class DockerPulls {
public:
    DockerPulls(
        asio::any_io_executor executor, Clock& clock, DockerApi& api, DockerPullLimits limits
    );
    DockerPulls(const DockerPulls&) = delete;
    DockerPulls& operator=(const DockerPulls&) = delete;
    ~DockerPulls();

    // Returns at once when the image is here. Cancelled: the pull itself ends with the last who
    // wanted it. expected: its size, where something says it; 0: not known. Errors: not_found,
    // exhausted (disk), timeout (stalled), upstream_failed, and docker_error's others.
    Task<Result<void>> ensure(std::string image, Bytes expected, ProgressSink progress);

private:
    struct Pull;

    Task<Result<bool>> is_here(std::string image);
    Task<Result<void>> join(std::shared_ptr<Pull> pull, ProgressSink progress);
    std::shared_ptr<Pull> begin(const std::string& image, Bytes expected);
    Task<Result<void>> run(std::shared_ptr<Pull> pull);
    Task<Result<void>> read(std::shared_ptr<Pull> pull, net::OpenAnswer answer);
    // Where Docker keeps its images; empty when that is not on this machine.
    Task<std::optional<std::string>> root();

    asio::any_io_executor executor_;
    Clock& clock_;
    DockerApi& api_;
    DockerPullLimits limits_;
    std::shared_ptr<std::map<std::string, std::shared_ptr<Pull>>> running_;
};

// "repo:tag" or "repo@sha256:…" as the API wants it; a name without a tag means latest, since
// Docker would take it for all tags.
std::pair<std::string, std::string> split_image(std::string_view image);

}  // namespace nova::runtime

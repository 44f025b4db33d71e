// The stream begins with 200 before anything is known; what counts stands in its lines
// (reference 7.2).
#include "runtime/docker_pull_reply.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"

namespace nova::runtime {
namespace {

constexpr std::size_t kMostLine = 64U * 1024U;
constexpr std::size_t kMostLayers = 1000;
constexpr std::int64_t kMostSize = std::int64_t{1} << 50;  // sums must not wrap

std::string text_of(const Json& object, const char* key) {
    const auto at = object.find(key);
    return at != object.end() && at->is_string() ? at->get<std::string>() : std::string{};
}

std::int64_t number_of(const Json& object, const char* key) {
    const auto at = object.find(key);
    if (at == object.end() || !at->is_number_integer()) {
        return 0;
    }
    return std::clamp<std::int64_t>(at->get<std::int64_t>(), 0, kMostSize);
}

}  // namespace

void DockerPullReply::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        const std::size_t end = bytes.find('\n');
        const std::string_view piece = bytes.substr(0, end);
        if (!skipping_) {
            pending_ += piece;
            if (pending_.size() > kMostLine) {
                pending_.clear();
                skipping_ = true;
            }
        }
        if (end == std::string_view::npos) {
            return;
        }
        if (!skipping_) {
            line(pending_);
        }
        pending_.clear();
        skipping_ = false;
        bytes.remove_prefix(end + 1);
    }
}

void DockerPullReply::line(std::string_view text) {
    const auto value = parse_json(text, "pull");
    if (!value || !value->is_object()) {
        return;
    }
    // "error" is the older spelling of the same (moby 1.48).
    const auto detail = value->find("errorDetail");
    if (detail != value->end() && detail->is_object()) {
        error_ = text_of(*detail, "message");
    }
    if (!error_ && value->contains("error")) {
        error_ = text_of(*value, "error");
    }
    const std::string status = text_of(*value, "status");
    if (status.starts_with("Digest: ")) {
        digest_ = status.substr(8);
    }
    const std::string id = text_of(*value, "id");
    const auto progress = value->find("progressDetail");
    const bool any = progress != value->end() && progress->is_object();
    if (id.empty() || status.starts_with("Pulling from")) {
        return;
    }
    layer(
        id, status, any ? number_of(*progress, "current") : 0,
        any ? number_of(*progress, "total") : 0
    );
}

void DockerPullReply::reach(Layer& layer, Step step) {
    if (step > layer.step) {
        layer.step = step;
        ++movement_;
    }
}

void DockerPullReply::layer(
    const std::string& id, std::string_view status, std::int64_t current, std::int64_t total
) {
    if (!layers_.contains(id)) {
        if (layers_.size() >= kMostLayers) {
            return;
        }
        ++movement_;
    }
    Layer& one = layers_[id];
    retrying_.clear();
    if (status == "Downloading") {
        auto here = static_cast<std::uint64_t>(current);
        const auto left = static_cast<std::uint64_t>(std::max<std::int64_t>(total, 0));
        // One that is resumed is counted from where it broke off, of what is left.
        if (left > 0 && one.total && left < *one.total) {
            here += *one.total - left;
        }
        if (left > 0) {
            one.total = std::max({one.total.value_or(0), one.current, left});
        }
        // A full bar is also what Docker shows when it lets go of a layer that broke off (moby's
        // progress reader): whole is what it calls complete.
        here = std::min(here, one.total.value_or(here));
        // A layer that is begun again moves only once it is beyond where it was.
        if ((left == 0 || static_cast<std::uint64_t>(current) < left) && here > one.current) {
            movement_ += here - one.current;
            one.current = here;
        }
        reach(one, Step::downloading);
    } else if (status.starts_with("Verifying")) {
        reach(one, Step::verifying);
    } else if (status == "Download complete") {
        one.total = one.total.value_or(one.current);
        one.current = *one.total;
        reach(one, Step::fetched);
    } else if (status == "Extracting") {
        if (static_cast<std::uint64_t>(current) > one.extracted) {
            one.extracted = static_cast<std::uint64_t>(current);
            ++movement_;
        }
        one.total = one.total.value_or(one.current);
        one.current = *one.total;
        reach(one, Step::extracting);
    } else if (status == "Pull complete") {
        one.total = one.total.value_or(one.current);
        one.current = *one.total;
        reach(one, Step::done);
    } else if (status == "Already exists") {
        one.here_already = true;
        reach(one, Step::done);
    } else if (status.starts_with("Retrying in")) {
        retrying_ = status.substr(sizeof("Retrying ") - 1);
    }
}

std::uint64_t DockerPullReply::done() const {
    std::uint64_t sum = 0;
    for (const auto& [id, one] : layers_) {
        sum += one.here_already ? 0 : one.current;
    }
    return sum;
}

std::optional<std::uint64_t> DockerPullReply::total() const {
    std::uint64_t sum = 0;
    for (const auto& [id, one] : layers_) {
        if (one.here_already) {
            continue;
        }
        if (!one.total) {
            return std::nullopt;
        }
        sum += *one.total;
    }
    return layers_.empty() ? std::nullopt : std::optional{sum};
}

bool DockerPullReply::works_without_bytes() const {
    bool quiet = false;
    for (const auto& [id, one] : layers_) {
        if (one.step == Step::downloading) {
            return false;
        }
        quiet = quiet || one.step == Step::verifying || one.step == Step::fetched ||
                one.step == Step::extracting;
    }
    return quiet;
}

std::string DockerPullReply::detail() const {
    if (!retrying_.empty()) {
        return fmt::format("the registry broke off; Docker tries again {}", retrying_);
    }
    if (layers_.empty()) {
        return "asking the registry";
    }
    std::size_t fetched = 0;
    std::size_t unpacked = 0;
    for (const auto& [id, one] : layers_) {
        fetched += one.step >= Step::fetched ? 1U : 0U;
        unpacked += one.step == Step::done ? 1U : 0U;
    }
    if (fetched < layers_.size()) {
        return fmt::format("{} of {} layers fetched", fetched, layers_.size());
    }
    return fmt::format("{} of {} layers unpacked", unpacked, layers_.size());
}

}  // namespace nova::runtime

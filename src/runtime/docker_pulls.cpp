// The pull belongs to nobody who asks: each may leave, and the last one ends it.
#include "runtime/docker_pulls.hpp"

#include <algorithm>
#include <fstream>
#include <list>
#include <optional>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/statvfs.h>

#include "runtime/docker_error.hpp"
#include "runtime/docker_json.hpp"
#include "runtime/docker_login.hpp"
#include "runtime/docker_pull_reply.hpp"

namespace nova::runtime {
namespace {

// Checksums of large layers and unpacking are silent work.
constexpr std::chrono::minutes kQuietLimit{15};
constexpr std::size_t kMostLogins = 256U * 1024U;
constexpr std::chrono::seconds kHeadLimit{60};  // the registry is asked before the head is sent

std::optional<Bytes> free_at(const std::string& folder) {
    struct statvfs facts{};
    if (::statvfs(folder.c_str(), &facts) != 0) {
        return std::nullopt;
    }
    return Bytes{static_cast<std::uint64_t>(facts.f_bavail) * facts.f_frsize};
}

// Read for each pull: a person may just have signed in.
std::string text_of(const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    std::string text(kMostLogins, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
}

std::string size_text(Bytes size) {
    constexpr double kGib = 1024.0 * 1024.0 * 1024.0;
    if (size < gib(1)) {
        return fmt::format("{} MiB", size.count >> 20U);
    }
    return fmt::format("{:.1f} GiB", static_cast<double>(size.count) / kGib);
}

std::unexpected<Error>
too_small(const std::string& image, const std::string& folder, Bytes needed, Bytes free) {
    return fail(Error{
        .code = ErrorCode::exhausted,
        .message = fmt::format(
            "The image {} needs at least {} more in {}, and {} are free.", image, size_text(needed),
            folder, size_text(free)
        ),
        .word = "disk_full",
        .remedy = "See what takes the room with: docker system df; docker image prune frees images "
                  "nobody uses.",
    });
}

}  // namespace

std::pair<std::string, std::string> split_image(std::string_view image) {
    if (const std::size_t at = image.find('@'); at != std::string_view::npos) {
        return {std::string{image.substr(0, at)}, std::string{image.substr(at + 1)}};
    }
    // A colon before the last slash is the registry's port.
    const std::size_t slash = image.rfind('/');
    const std::size_t colon = image.rfind(':');
    if (colon == std::string_view::npos || (slash != std::string_view::npos && colon < slash)) {
        return {std::string{image}, "latest"};
    }
    return {std::string{image.substr(0, colon)}, std::string{image.substr(colon + 1)}};
}

struct DockerPulls::Pull {
    Pull(const asio::any_io_executor& executor, std::string name, Bytes size)
        : image{std::move(name)}, expected{size},
          changed{executor, asio::steady_timer::time_point::max()} {}

    void tell() const {
        const auto total = reply.total();
        const Progress progress{
            .step = "image",
            .detail = fmt::format("{}: {}", image, reply.detail()),
            .done = {reply.done()},
            .total = total ? std::optional{Bytes{*total}} : std::nullopt
        };
        for (const ProgressSink& sink : sinks) {
            if (sink) {
                sink(progress);
            }
        }
    }

    std::string image;
    Bytes expected;
    std::list<ProgressSink> sinks;  // one for each who waits
    DockerPullReply reply;
    std::optional<std::string> folder;  // of Docker's images, where it can be measured
    std::optional<Result<void>> outcome;
    asio::steady_timer changed;
    asio::cancellation_signal cancel;
};

DockerPulls::DockerPulls(
    asio::any_io_executor executor, Clock& clock, DockerApi& api, DockerPullLimits limits
)
    : executor_{std::move(executor)}, clock_{clock}, api_{api}, limits_{limits},
      running_{std::make_shared<std::map<std::string, std::shared_ptr<Pull>>>()} {}

DockerPulls::~DockerPulls() {
    const auto left = std::exchange(*running_, {});
    for (const auto& [image, pull] : left) {
        pull->cancel.emit(asio::cancellation_type::terminal);
    }
}

Task<Result<void>> DockerPulls::ensure(std::string image, Bytes expected, ProgressSink progress) {
    const auto here = co_await is_here(image);
    if (!here) {
        co_return propagate(here);
    }
    if (*here) {
        if (progress) {
            progress({.step = "image", .detail = image + " is here", .done = {}, .total = {}});
        }
        co_return Result<void>{};
    }
    const auto running = running_->find(image);
    auto pull = running == running_->end() ? begin(image, expected) : running->second;
    co_return co_await join(std::move(pull), std::move(progress));
}

Task<Result<bool>> DockerPulls::is_here(std::string image) {
    const auto [repository, tag] = split_image(image);
    const std::string joint = tag.starts_with("sha256:") ? "@" : ":";
    DockerCall ask{.path = fmt::format("/images/{}{}{}/json", repository, joint, tag)};
    const auto reply = co_await api_.call(std::move(ask));
    if (!reply) {
        co_return propagate(reply);
    }
    if (!reply->ok() && reply->status != 404) {
        co_return fail(docker_error(reply->status, reply->message(), "Looking for " + image));
    }
    co_return reply->ok();
}

std::shared_ptr<DockerPulls::Pull> DockerPulls::begin(const std::string& image, Bytes expected) {
    auto pull = std::make_shared<Pull>(executor_, image, expected);
    (*running_)[image] = pull;
    asio::co_spawn(
        executor_, run(pull),
        asio::bind_cancellation_slot(
            pull->cancel.slot(),
            [pull, running = running_](std::exception_ptr thrown, Result<void> outcome) {
                // The only thing thrown is the cancellation, when nobody wants it any longer.
                pull->outcome =
                    thrown ? Result<void>{fail(ErrorCode::cancelled, "The pull was cancelled.")}
                           : std::move(outcome);
                const auto at = running->find(pull->image);
                if (at != running->end() && at->second == pull) {
                    running->erase(at);
                }
                pull->changed.cancel();
            }
        )
    );
    return pull;
}

Task<Result<void>> DockerPulls::join(std::shared_ptr<Pull> pull, ProgressSink progress) {
    // Leaves with the asker, however that ends.
    struct Place {
        Place(std::shared_ptr<Pull> wanted, ProgressSink sink, decltype(running_) all)
            : pull{std::move(wanted)}, running{std::move(all)},
              at{pull->sinks.insert(pull->sinks.end(), std::move(sink))} {}

        Place(const Place&) = delete;
        Place& operator=(const Place&) = delete;

        ~Place() {
            pull->sinks.erase(at);
            if (pull->sinks.empty() && !pull->outcome) {
                // From now on whoever asks begins another one.
                if (const auto mine = running->find(pull->image);
                    mine != running->end() && mine->second == pull) {
                    running->erase(mine);
                }
                pull->cancel.emit(asio::cancellation_type::terminal);
            }
        }

        std::shared_ptr<Pull> pull;
        decltype(running_) running;
        std::list<ProgressSink>::iterator at;
    } place{pull, std::move(progress), running_};

    while (!pull->outcome) {
        boost::system::error_code ignored;
        co_await pull->changed.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        // A cancel of the asker ends the wait as well.
        const auto state = co_await asio::this_coro::cancellation_state;
        if (state.cancelled() != asio::cancellation_type::none) {
            throw boost::system::system_error{asio::error::operation_aborted};
        }
    }
    co_return *pull->outcome;
}

Task<std::optional<std::string>> DockerPulls::root() {
    DockerCall ask{.path = "/info"};
    const auto info = co_await api_.call(std::move(ask));
    std::string folder = info ? text_at(info->body(), "DockerRootDir") : std::string{};
    co_return folder.empty() ? std::nullopt : std::optional{std::move(folder)};
}

Task<Result<void>> DockerPulls::run(std::shared_ptr<Pull> pull) {
    pull->folder = co_await root();
    const auto free = pull->folder ? free_at(*pull->folder) : std::nullopt;
    if (!free) {
        pull->folder.reset();
    } else if (*free < pull->expected + limits_.reserve) {
        co_return too_small(pull->image, *pull->folder, pull->expected + limits_.reserve, *free);
    }
    pull->tell();
    const auto [repository, tag] = split_image(pull->image);
    DockerCall ask{
        .method = "POST",
        .path = "/images/create",
        .query = {{"fromImage", repository}, {"tag", tag}},
        .limit = kHeadLimit
    };
    if (auto login = registry_auth(text_of(limits_.logins), pull->image); !login.empty()) {
        ask.headers.emplace_back("X-Registry-Auth", std::move(login));
    }
    auto answer = co_await api_.open(std::move(ask));
    if (!answer) {
        co_return propagate(answer, "Pulling " + pull->image);
    }
    if (answer->status != 200) {
        const auto refused = co_await api_.refusal(*std::move(answer));
        co_return refused
            ? Result<void>{fail(
                  docker_error(refused->status, refused->message(), "Pulling " + pull->image)
              )}
            : Result<void>{propagate(refused)};
    }
    const auto done = co_await read(pull, *std::move(answer));
    if (!done) {
        co_return propagate(done);
    }
    if (pull->reply.error()) {
        co_return fail(docker_error(0, *pull->reply.error(), "Pulling " + pull->image));
    }
    if (!pull->reply.digest().empty()) {
        co_return Result<void>{};
    }
    // Podman tells no digest, and a daemon that went away in the middle ends the stream as well.
    const auto here = co_await is_here(pull->image);
    if (!here) {
        co_return propagate(here, "Pulling " + pull->image);
    }
    if (!*here) {
        co_return fail(Error{
            .code = ErrorCode::upstream_failed,
            .message = fmt::format("The pull of {} ended in the middle.", pull->image),
            .word = "pull_cut",
            .remedy = "Start it again: layers that arrived whole are kept.",
        });
    }
    co_return Result<void>{};
}

// Until the end of the stream; what it said stands in pull->reply.
Task<Result<void>> DockerPulls::read(std::shared_ptr<Pull> pull, net::OpenAnswer answer) {
    TimePoint moved = clock_.now();
    while (true) {
        const std::chrono::nanoseconds limit = pull->reply.works_without_bytes()
                                                   ? std::chrono::nanoseconds{kQuietLimit}
                                                   : std::chrono::nanoseconds{limits_.stall};
        const std::uint64_t before = pull->reply.movement();
        answer.connection->connection().expire_at(moved + limit);
        const auto piece = co_await answer.connection->read_body_some();
        const TimePoint now = clock_.now();
        if ((!piece && piece.error().code == ErrorCode::timeout) || now >= moved + limit) {
            const auto total = pull->reply.total();
            const std::string where =
                total && *total > 0 ? fmt::format("at {} %", pull->reply.done() * 100 / *total)
                                    : fmt::format("after {}", size_text({pull->reply.done()}));
            co_return fail(Error{
                .code = ErrorCode::timeout,
                .message = fmt::format(
                    "The pull of {} stalled {}: nothing came for {} s ({}).", pull->image, where,
                    std::chrono::duration_cast<std::chrono::seconds>(limit).count(),
                    pull->reply.detail()
                ),
                .word = "pull_stalled",
                .remedy = "Check the network and the registry. Layers that arrived whole are kept.",
            });
        }
        if (!piece) {
            co_return propagate(piece, "Pulling " + pull->image);
        }
        if (piece->empty()) {
            co_return Result<void>{};
        }
        pull->reply.feed(*piece);
        if (pull->reply.movement() != before) {
            moved = now;
        }
        pull->tell();
        // Unpacked an image is never smaller than on its way.
        const auto total = pull->reply.total();
        const auto free = pull->folder && total ? free_at(*pull->folder) : std::nullopt;
        const std::uint64_t left = total ? *total - std::min(*total, pull->reply.done()) : 0;
        if (free && free->count < left) {
            co_return too_small(pull->image, *pull->folder, {left}, *free);
        }
    }
}

}  // namespace nova::runtime

// List, choose, check the room, fetch, write down: each step leaves the next nova able to go on.
#include "catalog/hub_models.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "catalog/gguf.hpp"

namespace nova::catalog {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostListBytes = 16U * 1024U * 1024U;
constexpr int kMostPages = 50;
constexpr int kListAttempts = 4;
constexpr std::chrono::seconds kLongestRetryAfter{30};
constexpr std::chrono::milliseconds kLookAtTurn{200};  // also how often its progress is told on

std::string lowered(std::string_view text) {
    std::string low{text};
    std::ranges::transform(low, low.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return low;
}

LocalModel local_model(const fs::path& folder, const WeightsManifest& manifest) {
    return {
        .path = folder / manifest.files.front().path,
        .size = total_size(manifest),
        .parts = manifest.files.size()
    };
}

Task<Result<std::string>>
read_all(Clock& clock, net::OpenAnswer& answer, std::chrono::seconds stall) {
    std::string body;
    while (true) {
        answer.connection->connection().expire_at(clock.now() + stall);
        const auto piece = co_await answer.connection->read_body_some();
        if (!piece) {
            co_return propagate(piece);
        }
        if (piece->empty()) {
            co_return body;
        }
        if (body.size() + piece->size() > kMostListBytes) {
            co_return fail(ErrorCode::upstream_failed, "The hub's list of files is too long.");
        }
        body.append(*piece);
    }
}

constexpr std::uint64_t kHeadBytes = 24;  // magic, version, two counts

// Nobody promised a hash, and not always a length: only the file itself knows whether it is whole.
Result<void> keep_if_whole(const fs::path& path, std::string_view name) {
    auto file = FileBytes::open(path);
    if (!file) {
        return propagate(file);
    }
    const auto facts = read_gguf(*file, name);
    if (facts) {
        return {};
    }
    Error error = facts.error();
    const bool headed = file->size() >= kHeadBytes;
    if (error.word == "model_file_not_gguf" && headed) {
        return {};  // of another version or byte order: whole, and whoever reads it says so
    }
    if (error.word == "model_file_damaged" || !headed) {
        ignore(remove_durably(path), "without a manifest it counts for nothing");
        error.remedy = "What arrived was removed. Start it again to download it anew; if that does "
                       "not help, the file on the server is no whole model: choose another.";
    }
    return fail(std::move(error));
}

}  // namespace

// The turn of one file; given on when it ends, however that comes.
class HubModels::Holding {
public:
    Holding(HubModels& owner, fs::path file, std::shared_ptr<Turn> turn)
        : owner_{owner}, file_{std::move(file)}, turn_{std::move(turn)} {
        turn_->taken = true;
    }

    Holding(const Holding&) = delete;
    Holding& operator=(const Holding&) = delete;

    ~Holding() {
        turn_->taken = false;
        owner_.turns_.erase(file_);
    }

    Turn& turn() { return *turn_; }

private:
    HubModels& owner_;
    fs::path file_;
    std::shared_ptr<Turn> turn_;
};

// Others who wait for the file see how far the holder of its turn is.
DownloadSink HubModels::shown_to_all(Holding& holding, DownloadSink sink) {
    return [&holding, sink = std::move(sink)](const DownloadProgress& progress) {
        holding.turn().progress = progress;
        sink(progress);
    };
}

HubModels::HubModels(Clock& clock, WebAccess& web, fs::path folder, DownloadLimits limits)
    : clock_{clock}, web_{web}, folder_{std::move(folder)}, limits_{limits} {}

HubModels::Place HubModels::place_of(const std::string& repository) const {
    const std::string page = web_.at_hub("/" + repository).shown();
    return {.folder = folder_ / repository, .source = page, .page = page, .wish = {}};
}

Task<Result<LocalModel>> HubModels::ensure(HubWish wish, DownloadSink sink) {
    if (auto* url = std::get_if<GgufUrl>(&wish)) {
        co_return co_await ensure_url(std::move(*url), std::move(sink));
    }
    const auto* quantized = std::get_if<HubGguf>(&wish);
    const auto* file = std::get_if<HubFile>(&wish);
    const std::string repository = quantized != nullptr ? quantized->repository : file->repository;
    const std::string revision = quantized != nullptr ? "main" : file->revision;
    Place place = place_of(repository);
    place.wish = quantized != nullptr ? "quant:" + lowered(quantized->quantization)
                                      : fmt::format("file:{}@{}", file->path, revision);
    if (const auto there = find_manifest(place.folder, place.wish)) {
        co_return local_model(place.folder, *there);
    }
    sink({.done = 0, .detail = "asking the hub for its files"});
    const auto entries = co_await list(repository, revision);
    if (!entries) {
        co_return propagate(entries);
    }
    auto set = quantized != nullptr ? choose_gguf(*entries, repository, quantized->quantization)
                                    : choose_gguf_file(*entries, repository, file->path);
    if (!set) {
        co_return propagate(set);
    }
    std::string base = fmt::format(
        "/{}/resolve/{}/", percent_encoded_path(repository), percent_encoded_path(revision)
    );
    co_return co_await ensure_set(
        std::move(place), *std::move(set), std::move(base), std::move(sink)
    );
}

// A list is small and asked for once: a few attempts, then the user hears of it.
Task<Result<std::vector<HubEntry>>> HubModels::list(std::string repository, std::string revision) {
    for (int left = kListAttempts - 1;; --left) {
        auto entries = co_await list_once(repository, revision);
        if (entries) {
            co_return entries;
        }
        Error error = entries.error();
        if (error.remedy.empty()) {
            error.remedy = "Check the network and the setting hub.url, and start it again.";
        }
        const auto pause = error.retry_after.value_or(std::chrono::seconds{0});
        const bool again = policy(error.code).retry && error.word.empty();
        if (left == 0 || !again || pause > kLongestRetryAfter) {
            co_return fail(std::move(error));
        }
        co_await clock_.sleep_for(
            std::max<std::chrono::nanoseconds>(pause, limits_.pause * (kListAttempts - left))
        );
    }
}

Task<Result<std::vector<HubEntry>>>
HubModels::list_once(std::string repository, std::string revision) {
    std::vector<HubEntry> entries;
    WebUrl url = web_.at_hub(fmt::format(
        "/api/models/{}/tree/{}?recursive=true", percent_encoded_path(repository),
        percent_encoded_path(revision)
    ));
    for (int page = 0; page < kMostPages; ++page) {
        auto web = co_await web_.get(url, {}, limits_.stall);
        if (!web) {
            co_return propagate(web);
        }
        if (web->answer.status != 200) {
            co_return fail(explain_refusal(
                {.status = web->answer.status,
                 .error_code = web->answer.header("X-Error-Code"),
                 .error_message = web->answer.header("X-Error-Message"),
                 .retry_after = retry_after_from(web->answer.header("Retry-After")),
                 .token = web->token},
                repository, web_.at_hub("/" + repository).shown()
            ));
        }
        const auto body = co_await read_all(clock_, web->answer, limits_.stall);
        if (!body) {
            co_return propagate(body);
        }
        auto more = parse_hub_tree(*body);
        if (!more) {
            Error error = more.error();
            error.word = "hub_reply_unreadable";  // asking again gives the same
            co_return fail(std::move(error));
        }
        std::ranges::move(*more, std::back_inserter(entries));
        const std::string next = next_page(web->answer.header("Link"));
        if (next.empty()) {
            co_return entries;
        }
        const auto to = redirected(web->at, next);
        if (!to || to->endpoint != web->at.endpoint) {
            co_return entries;
        }
        url = *to;
    }
    co_return entries;
}

Task<std::unique_ptr<HubModels::Holding>> HubModels::take_turn(fs::path file, DownloadSink sink) {
    while (true) {
        auto& turn = turns_[file];
        if (!turn) {
            turn = std::make_shared<Turn>();
        }
        if (!turn->taken) {
            co_return std::make_unique<Holding>(*this, file, turn);
        }
        sink(turn->progress);
        co_await clock_.sleep_for(kLookAtTurn);
    }
}

Task<Result<LocalModel>>
HubModels::ensure_set(Place place, GgufSet set, std::string base, DownloadSink sink) {
    const std::string first = set.files.front().path;
    const auto holding = co_await take_turn(place.folder / first, sink);
    auto there = load_manifest(place.folder, first);
    const bool same = there && std::ranges::all_of(set.files, [&](const HubEntry& entry) {
                          const auto at =
                              std::ranges::find(there->files, entry.path, &ManifestFile::path);
                          return at != there->files.end() && at->size == entry.size &&
                                 (entry.sha256.empty() || at->sha256 == entry.sha256);
                      });
    if (same) {  // fetched under another name of the same thing
        there->asked.push_back(place.wish);
        const auto saved = save_manifest(place.folder, *there);
        if (!saved) {
            co_return propagate(saved);
        }
        co_return local_model(place.folder, *there);
    }
    const DownloadSink seen = shown_to_all(*holding, std::move(sink));
    co_return co_await fetch_set(std::move(place), std::move(set), std::move(base), seen);
}

std::vector<FileWish>
HubModels::wishes_for(const Place& place, const std::string& base, const GgufSet& set) const {
    std::vector<FileWish> wishes;
    for (const HubEntry& entry : set.files) {
        wishes.push_back(
            {.url = web_.at_hub(base + percent_encoded_path(entry.path)),
             .target = place.folder / entry.path,
             .manifest = manifest_path(place.folder, set.files.front().path),
             .size = entry.size,
             .sha256 = entry.sha256,
             .name = fmt::format(
                 "{}/{}", place.folder.lexically_relative(folder_).string(), entry.path
             ),
             .page = place.page}
        );
    }
    return wishes;
}

Task<Result<LocalModel>>
HubModels::fetch_set(Place place, GgufSet set, std::string base, DownloadSink sink) {
    std::error_code code;
    fs::create_directories(place.folder, code);
    const std::uint64_t all = set.total().count;
    std::uint64_t whole = 0;  // bytes, in files that are
    const DownloadSink shown = [&](const DownloadProgress& p) {
        sink({.done = whole + p.done, .total = all, .detail = p.detail});
    };
    FileDownload download{clock_, web_, limits_};
    const std::vector<FileWish> wishes = wishes_for(place, base, set);
    std::vector<std::optional<ManifestFile>> files;
    Bytes needed;
    for (std::size_t i = 0; i < wishes.size(); ++i) {
        const HubEntry& entry = set.files[i];
        // A part that came whole before the download of the model was interrupted.
        auto there = co_await download.already_there(wishes[i], shown);
        if (there) {
            whole += entry.size;
        } else {
            const auto part = fs::file_size(place.folder / (entry.path + ".part"), code);
            needed = needed + (Bytes{entry.size} - Bytes{code ? 0 : part});
        }
        files.push_back(std::move(there));
    }
    if (const auto room = check_room(limits_, place.folder, needed, place.source); !room) {
        co_return propagate(room);
    }
    WeightsManifest manifest{.source = place.source, .asked = {place.wish}, .files = {}};
    for (std::size_t i = 0; i < files.size(); ++i) {
        const HubEntry& entry = set.files[i];
        if (!files[i]) {
            auto fetched = co_await download.fetch(wishes[i], shown);
            if (!fetched) {
                co_return propagate(fetched);
            }
            files[i] = *std::move(fetched);
            whole += entry.size;
        }
        files[i]->path = entry.path;
        manifest.files.push_back(*std::move(files[i]));
    }
    if (const auto saved = save_manifest(place.folder, manifest); !saved) {
        co_return propagate(saved);
    }
    sink({.done = all, .total = all});
    co_return local_model(place.folder, manifest);
}

Task<Result<LocalModel>> HubModels::ensure_url(GgufUrl wish, DownloadSink sink) {
    const auto url = parse_web_url(wish.url);
    if (!url) {
        co_return propagate(url);
    }
    // The query may say which version: another one is another file.
    net::Sha256 hash;
    hash.update(wish.url);
    const fs::path folder = folder_ / ".urls" / url->endpoint.host / hash.finish().substr(0, 16);
    const std::string name = url->path().substr(url->path().rfind('/') + 1);
    const auto holding = co_await take_turn(folder / name, sink);
    if (const auto there = load_manifest(folder, name)) {
        co_return local_model(folder, *there);
    }
    const DownloadSink seen = shown_to_all(*holding, std::move(sink));
    FileDownload download{clock_, web_, limits_};
    auto file = co_await download.fetch(
        {.url = *url,
         .target = folder / name,
         .manifest = manifest_path(folder, name),
         .size = {},
         .sha256 = {},
         .name = url->shown(),
         .page = url->shown()},
        seen
    );
    if (!file) {
        co_return propagate(file);
    }
    if (const auto kept = keep_if_whole(folder / name, url->shown()); !kept) {
        co_return propagate(kept);
    }
    file->path = name;
    const WeightsManifest manifest{
        .source = url->shown(), .asked = {"url"}, .files = {*std::move(file)}
    };
    if (const auto saved = save_manifest(folder, manifest); !saved) {
        co_return propagate(saved);
    }
    co_return local_model(folder, manifest);
}

}  // namespace nova::catalog

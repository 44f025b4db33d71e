// Model files by Hugging Face id or URL, brought to this machine once and found again without a
// network.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "catalog/file_download.hpp"
#include "catalog/gguf_choice.hpp"
#include "catalog/model_ref.hpp"

namespace nova::catalog {

using HubWish = std::variant<HubGguf, HubFile, GgufUrl>;

struct LocalModel {
    std::filesystem::path path;  // of the first part, which is what an engine is given
    Bytes size;                  // of all parts
    std::size_t parts = 1;
};

// Single-threaded, and blocks on the disk: the thread it is used on should do nothing else.
class HubModels {
public:
    // folder: DIR/models; web outlives it.
    HubModels(Clock& clock, WebAccess& web, std::filesystem::path folder, DownloadLimits limits);

    // At once when it is there already. Two who ask for the same file share one transfer: the
    // second sees the progress of the first, and goes on with it should the first give up. Errors:
    // those of FileDownload::fetch, choose_gguf and choose_gguf_file.
    Task<Result<LocalModel>> ensure(HubWish wish, DownloadSink sink);

private:
    // Who holds the turn of a file, and how far he is.
    struct Turn {
        DownloadProgress progress;
        bool taken = false;
    };

    class Holding;
    static DownloadSink shown_to_all(Holding& holding, DownloadSink sink);

    struct Place {
        std::filesystem::path folder;  // of the repository
        std::string source;            // where it is from, for the manifest
        std::string page;
        std::string wish;  // as manifests remember it
    };

    Task<Result<std::vector<HubEntry>>> list(std::string repository, std::string revision);
    Task<Result<std::vector<HubEntry>>> list_once(std::string repository, std::string revision);
    Task<Result<LocalModel>>
    ensure_set(Place place, GgufSet set, std::string base, DownloadSink sink);
    Task<Result<LocalModel>> ensure_url(GgufUrl wish, DownloadSink sink);
    Task<Result<LocalModel>>
    fetch_set(Place place, GgufSet set, std::string base, DownloadSink sink);
    std::vector<FileWish>
    wishes_for(const Place& place, const std::string& base, const GgufSet& set) const;
    Task<std::unique_ptr<Holding>> take_turn(std::filesystem::path file, DownloadSink sink);
    Place place_of(const std::string& repository) const;

    Clock& clock_;
    WebAccess& web_;
    std::filesystem::path folder_;
    DownloadLimits limits_;
    std::map<std::filesystem::path, std::shared_ptr<Turn>> turns_;
};

}  // namespace nova::catalog

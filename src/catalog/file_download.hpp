// One file from the web to the disk: resumed where it was cut, checked by its hash, then whole.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "catalog/part_file.hpp"
#include "catalog/web_access.hpp"
#include "catalog/weights_manifest.hpp"
#include "net/sha256.hpp"

namespace nova::catalog {

struct DownloadLimits {
    std::chrono::seconds stall{60};  // without a byte; then the connection is made anew
    // In a row, without a mebibyte in between: then the server is not worth waiting for.
    unsigned attempts = 6;
    std::chrono::milliseconds pause{1000
    };  // before the second one; doubled each time, at most 30 s
    Bytes reserve = mib(512);  // left free on the disk
    WriteCall write = &write_to_disk;
    Result<Bytes> (*free_space)(const std::filesystem::path&) = &catalog::free_space;
};

// Error exhausted: the figures and what to do.
Result<void> check_room(
    const DownloadLimits& limits, const std::filesystem::path& folder, Bytes needed,
    std::string_view what
);

struct FileWish {
    WebUrl url;
    std::filesystem::path target;
    // Speaks for the target as it was: it is removed before another file takes that place.
    std::filesystem::path manifest;
    std::optional<std::uint64_t> size{};  // as the list of files promised
    std::string sha256{};                 // likewise; empty: whatever arrives is taken
    std::string name;                     // for people: "org/repo/file.gguf"
    std::string page;                     // where its licence is accepted
};

struct DownloadProgress {
    std::uint64_t done = 0;
    std::optional<std::uint64_t> total{};
    std::string detail{};  // what goes on when no byte moves
};

// Called for every piece that arrives, so it has to be cheap.
using DownloadSink = std::function<void(const DownloadProgress&)>;

class FileDownload {
public:
    FileDownload(Clock& clock, WebAccess& web, DownloadLimits limits)
        : clock_{clock}, web_{web}, limits_{limits} {}

    // Grows TARGET.part, which survives a cancel, an error and a kill, and is gone on with. Blocks
    // on the disk: run it on a thread of its own. Errors, all with remedies: those of
    // explain_refusal(); exhausted (disk); timeout (stalled); unavailable; unprocessable word
    // model_file_damaged (hash or size) or model_file_not_gguf.
    Task<Result<ManifestFile>> fetch(FileWish wish, DownloadSink sink);

    // The file at the target, when it is what was promised: it reads all of it. Empty without a
    // hash: the size of another revision may be the same.
    Task<std::optional<ManifestFile>> already_there(FileWish wish, DownloadSink sink);

private:
    struct Transfer;

    // again: trying once more may help.
    struct Setback {
        Error error;
        bool again = false;
    };

    static Setback setback(Error error);
    Task<Result<void>> hash_what_is_there(Transfer& transfer);
    Task<std::optional<Setback>> attempt(Transfer& transfer);
    std::optional<Setback> accept(Transfer& transfer, const WebAnswer& web);
    std::optional<Setback> begin_body(Transfer& transfer, const WebAnswer& web);
    Result<void> make_sure_of_room(Transfer& transfer) const;
    Task<std::optional<Setback>> receive(Transfer& transfer, net::OpenAnswer& answer);
    Task<std::optional<Error>> recover(Transfer& transfer, Setback setback);
    Result<ManifestFile> finish(Transfer& transfer);
    static void report(Transfer& transfer, std::string detail = {});

    Clock& clock_;
    WebAccess& web_;
    DownloadLimits limits_;
};

}  // namespace nova::catalog

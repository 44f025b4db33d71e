// Attempts until the file is whole: each goes on where the one before it ended.
#include "catalog/file_download.hpp"

#include <algorithm>
#include <charconv>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>

#include "catalog/byte_source.hpp"

namespace nova::catalog {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHashPiece = 4U * 1024U * 1024U;   // between two looks at a cancel
constexpr std::uint64_t kWorthwhile = 1024U * 1024U;     // received: the attempt was not in vain
constexpr std::uint64_t kRoomStep = 4U * 1024U * 1024U;  // where nobody says how much comes
constexpr unsigned kMostAttempts = 200;                  // a server that cuts every few mebibytes
constexpr std::chrono::seconds kLongestPause{30};
constexpr std::chrono::seconds kLongestRetryAfter{120};  // beyond that the user decides
constexpr const char* kChecking = "checking what was downloaded before";

Error damaged(const FileWish& wish, std::string what) {
    return {
        .code = ErrorCode::unprocessable,
        .message = fmt::format("{} {}.", wish.name, what),
        .word = "model_file_damaged",
        .remedy = "Start it again to download it anew; if that does not help, the copy on the "
                  "server is damaged: choose another."
    };
}

// Only a strong one promises that the bytes are the same (RFC 9110 8.8.1).
std::string strong(std::string_view etag) {
    return etag.starts_with('"') ? std::string{etag} : std::string{};
}

std::string source_of(const FileWish& wish) {
    return wish.url.shown();
}

}  // namespace

Result<void> check_room(
    const DownloadLimits& limits, const fs::path& folder, Bytes needed, std::string_view what
) {
    const auto free = limits.free_space(folder);
    if (!free) {
        return propagate(free);
    }
    if (*free >= needed + limits.reserve) {
        return {};
    }
    const auto in_mib = [](Bytes bytes) { return (bytes.count + mib(1).count - 1) / mib(1).count; };
    return fail(
        ErrorCode::exhausted,
        fmt::format(
            "{} needs {} MiB more and a reserve of {} MiB; {} has {} MiB free.", what,
            in_mib(needed), in_mib(limits.reserve), folder.string(), in_mib(*free)
        ),
        "Make room, choose a smaller model, or keep nova's data on another disk (--data-dir)."
    );
}

struct FileDownload::Transfer {
    FileWish wish;
    DownloadSink sink;
    PartFile part;
    PartNote note;
    fs::path note_path;
    net::Sha256 hash;
    std::optional<std::uint64_t> total;
    bool resumed = false;  // put together from several answers, perhaps of different files
    bool doubted = false;  // and was fetched again from the start because of that
    unsigned failures = 0;
    unsigned attempts = 0;
    std::uint64_t mark = 0;  // size when the last attempt ended
    std::uint64_t room = 0;  // size up to which the disk has it

    Result<void> start_over() {
        hash = {};
        resumed = false;
        mark = 0;
        return part.clear();
    }
};

FileDownload::Setback FileDownload::setback(Error error) {
    const bool again =
        policy(error.code).retry && error.word.empty() && error.code != ErrorCode::exhausted;
    return {.error = std::move(error), .again = again};
}

void FileDownload::report(Transfer& transfer, std::string detail) {
    transfer.sink(
        {.done = transfer.part.size(), .total = transfer.total, .detail = std::move(detail)}
    );
}

Task<Result<ManifestFile>> FileDownload::fetch(FileWish wish, DownloadSink sink) {
    const std::string part_path = wish.target.string() + ".part";
    auto part = PartFile::open(part_path, limits_.write);
    if (!part) {
        co_return propagate(part);
    }
    Transfer transfer{
        .wish = std::move(wish),
        .sink = std::move(sink),
        .part = *std::move(part),
        .note = {},
        .note_path = part_path + ".json",
        .hash = {},
        .total = {}
    };
    transfer.total = transfer.wish.size;
    const auto ready = co_await hash_what_is_there(transfer);
    if (!ready) {
        co_return propagate(ready);
    }
    while (true) {
        auto failed = co_await attempt(transfer);
        if (!failed) {
            auto file = finish(transfer);
            // A part of an earlier day may be what is wrong with it: once more, from the start.
            if (file || !transfer.resumed || transfer.doubted ||
                file.error().word != "model_file_damaged") {
                co_return file;
            }
            transfer.doubted = true;
            transfer.note.etag.clear();
            const auto emptied = transfer.start_over();
            const auto noted = save_note(transfer.note_path, transfer.note);
            if (!emptied || !noted) {
                co_return propagate(emptied ? noted : emptied);
            }
            continue;
        }
        auto given_up = co_await recover(transfer, *std::move(failed));
        if (given_up) {
            co_return fail(*std::move(given_up));
        }
    }
}

Task<std::optional<ManifestFile>> FileDownload::already_there(FileWish wish, DownloadSink sink) {
    auto file = FileBytes::open(wish.target);
    if (wish.sha256.empty() || !file || file->size() != wish.size) {
        co_return std::nullopt;
    }
    net::Sha256 hash;
    std::vector<char> piece(kHashPiece);
    for (std::uint64_t done = 0; done < file->size();) {
        const auto got = file->read_at(done, std::as_writable_bytes(std::span{piece}));
        if (!got || *got == 0) {
            co_return std::nullopt;
        }
        hash.update({piece.data(), *got});
        done += *got;
        sink({.done = done, .total = wish.size, .detail = kChecking});
        co_await asio::post(asio::use_awaitable);
    }
    if (hash.finish() != wish.sha256) {
        co_return std::nullopt;
    }
    co_return ManifestFile{.path = {}, .size = file->size(), .sha256 = wish.sha256};
}

// Keeps a part only when it is known to be the beginning of what is wanted now.
Task<Result<void>> FileDownload::hash_what_is_there(Transfer& transfer) {
    const auto note = load_note(transfer.note_path);
    const FileWish& wish = transfer.wish;
    const bool same = note && note->source == source_of(wish) && note->sha256 == wish.sha256 &&
                      (!wish.size || note->size == wish.size) &&
                      (!wish.sha256.empty() || !note->etag.empty()) &&
                      (!wish.size || transfer.part.size() <= *wish.size);
    transfer.note = {
        .source = source_of(wish),
        .sha256 = wish.sha256,
        .size = wish.size,
        .etag = same ? note->etag : std::string{}
    };
    if (!same) {
        if (const auto emptied = transfer.part.clear(); !emptied) {
            co_return propagate(emptied);
        }
        co_return save_note(transfer.note_path, transfer.note);
    }
    std::vector<char> piece(kHashPiece);
    std::uint64_t done = 0;
    while (done < transfer.part.size()) {
        const auto got = transfer.part.read_at(done, piece);
        if (!got) {
            co_return propagate(got);
        }
        transfer.hash.update({piece.data(), *got});
        done += *got;
        transfer.resumed = true;
        report(transfer, kChecking);
        co_await asio::post(asio::use_awaitable);
    }
    co_return Result<void>{};
}

Task<std::optional<FileDownload::Setback>> FileDownload::attempt(Transfer& transfer) {
    const std::uint64_t have = transfer.part.size();
    if (transfer.total && have == *transfer.total && have > 0) {
        co_return std::nullopt;
    }
    std::vector<std::pair<std::string, std::string>> headers;
    // Without a hash or a strong ETag nobody could tell that the rest belongs to it.
    const bool resume = have > 0 && (!transfer.note.etag.empty() || !transfer.wish.sha256.empty());
    if (resume) {
        headers.emplace_back("Range", fmt::format("bytes={}-", have));
        if (!transfer.note.etag.empty()) {
            headers.emplace_back("If-Range", transfer.note.etag);
        }
    }
    auto web = co_await web_.get(transfer.wish.url, std::move(headers), limits_.stall);
    if (!web) {
        co_return setback(web.error());
    }
    if (auto refused = accept(transfer, *web)) {
        co_return refused;
    }
    co_return co_await receive(transfer, web->answer);
}

// What the status says; the body follows only when this has nothing to object to.
std::optional<FileDownload::Setback>
FileDownload::accept(Transfer& transfer, const WebAnswer& web) {
    const int status = web.answer.status;
    if (status == 200 || status == 206) {
        return begin_body(transfer, web);
    }
    if (status == 416) {  // the part is longer than the file is now
        if (const auto emptied = transfer.start_over(); !emptied) {
            return setback(emptied.error());
        }
        return Setback{
            .error =
                {.code = ErrorCode::upstream_failed,
                 .message = fmt::format("{} has changed on its server.", transfer.wish.name)},
            .again = true
        };
    }
    Error error = explain_refusal(
        {.status = status,
         .error_code = web.answer.header("X-Error-Code"),
         .error_message = web.answer.header("X-Error-Message"),
         .retry_after = retry_after_from(web.answer.header("Retry-After")),
         .token = web.token},
        transfer.wish.name, transfer.wish.page
    );
    const bool again = status == 408 || status == 429 || status >= 500;
    return Setback{.error = std::move(error), .again = again};
}

std::optional<FileDownload::Setback>
FileDownload::begin_body(Transfer& transfer, const WebAnswer& web) {
    const net::OpenAnswer& answer = web.answer;
    const FileWish& wish = transfer.wish;
    if (looks_like_web_page(answer.header("Content-Type"), "")) {
        return Setback{
            .error =
                {.code = ErrorCode::unprocessable,
                 .message = fmt::format("{} is a web page, not a file.", web.at.shown()),
                 .word = "model_file_not_gguf",
                 .remedy = "Give the download link of the file; a proxy or a sign-in page may "
                           "also be in the way."}
        };
    }
    const std::string etag = strong(answer.header("ETag"));
    const auto range =
        answer.status == 206 ? parse_content_range(answer.header("Content-Range")) : std::nullopt;
    const bool changed = !transfer.note.etag.empty() && !etag.empty() && etag != transfer.note.etag;
    std::optional<std::uint64_t> total = range ? range->total : std::nullopt;
    if (answer.status == 206 && (!range || range->first != transfer.part.size() || changed)) {
        // Not the rest of what is here: ask again for all of it.
        transfer.note.etag.clear();
        if (const auto emptied = transfer.start_over(); !emptied) {
            return setback(emptied.error());
        }
        return Setback{
            .error =
                {.code = ErrorCode::upstream_failed,
                 .message = fmt::format("{} has changed on its server.", wish.name)},
            .again = true
        };
    }
    if (answer.status == 200) {
        if (const auto emptied = transfer.start_over(); !emptied) {
            return setback(emptied.error());
        }
        std::uint64_t length = 0;
        const std::string_view text = answer.header("Content-Length");
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), length);
        if (!text.empty() && parsed.ec == std::errc{}) {
            total = length;
        }
    }
    if (wish.size && total && *total != *wish.size) {
        return Setback{
            .error = damaged(
                wish, fmt::format(
                          "has {} bytes on its server, and {} in the hub's list", *total, *wish.size
                      )
            )
        };
    }
    transfer.total = total ? total : wish.size;
    transfer.resumed = transfer.resumed || transfer.part.size() > 0;
    if (etag != transfer.note.etag) {
        transfer.note.etag = etag;
        if (const auto saved = save_note(transfer.note_path, transfer.note); !saved) {
            return setback(saved.error());
        }
    }
    return std::nullopt;
}

// For all that is to come; for the next few mebibytes where nobody says how much that is.
Result<void> FileDownload::make_sure_of_room(Transfer& transfer) const {
    const std::uint64_t have = transfer.part.size();
    const std::uint64_t all = transfer.total.value_or(have + kRoomStep);
    if (have < transfer.room || all <= have) {
        return {};
    }
    transfer.room = all;
    const FileWish& wish = transfer.wish;
    return check_room(limits_, wish.target.parent_path(), Bytes{all - have}, wish.name);
}

Task<std::optional<FileDownload::Setback>>
FileDownload::receive(Transfer& transfer, net::OpenAnswer& answer) {
    const FileWish& wish = transfer.wish;
    transfer.room = 0;
    while (true) {
        if (const auto room = make_sure_of_room(transfer); !room) {
            co_return setback(room.error());
        }
        answer.connection->connection().expire_at(clock_.now() + limits_.stall);
        const auto piece = co_await answer.connection->read_body_some();
        if (!piece) {
            Error error = piece.error();
            if (error.code == ErrorCode::timeout) {
                error.message = fmt::format(
                    "The download of {} stalled: no byte for {} seconds.", wish.name,
                    limits_.stall.count()
                );
            }
            error.word.clear();
            co_return Setback{.error = std::move(error), .again = true};
        }
        if (piece->empty()) {
            co_return transfer.total&& transfer.part.size() < *transfer.total
                ? std::optional{Setback{
                      .error =
                          {.code = ErrorCode::upstream_failed,
                           .message = fmt::format("{} was cut short.", wish.name)},
                      .again = true
                  }}
                : std::nullopt;
        }
        const bool first = transfer.part.size() == 0;
        if (first && piece->size() >= 4 && !piece->starts_with("GGUF")) {
            co_return Setback{
                .error =
                    {.code = ErrorCode::unprocessable,
                     .message = fmt::format("{} is not a GGUF model file.", wish.name),
                     .word = "model_file_not_gguf",
                     .remedy = "Name a .gguf file of the repository, or its download link."}
            };
        }
        if (transfer.total && transfer.part.size() + piece->size() > *transfer.total) {
            co_return Setback{.error = damaged(wish, "is longer than its server promised")};
        }
        if (const auto written = transfer.part.append(*piece); !written) {
            co_return setback(written.error());
        }
        transfer.hash.update(*piece);
        report(transfer);
    }
}

// Waits before the next attempt; an error when there should be none.
Task<std::optional<Error>> FileDownload::recover(Transfer& transfer, Setback setback) {
    Error error = std::move(setback.error);
    if (error.remedy.empty()) {
        error.remedy = "Check the network and start it again: what was downloaded is kept.";
    }
    const std::uint64_t have = transfer.part.size();
    if (have >= transfer.mark + kWorthwhile) {
        transfer.failures = 0;
    }
    transfer.mark = have;
    ++transfer.failures;
    ++transfer.attempts;
    if (!setback.again || transfer.failures >= limits_.attempts ||
        transfer.attempts >= kMostAttempts) {
        co_return error;
    }
    std::chrono::nanoseconds pause = limits_.pause * (1U << std::min(transfer.failures - 1, 5U));
    pause = std::min<std::chrono::nanoseconds>(pause, kLongestPause);
    if (error.retry_after) {
        if (*error.retry_after > kLongestRetryAfter) {
            co_return error;
        }
        pause = *error.retry_after;
    }
    report(transfer, fmt::format("trying again: {}", error.message));
    co_await clock_.sleep_for(pause);
    co_return std::nullopt;
}

Result<ManifestFile> FileDownload::finish(Transfer& transfer) {
    const FileWish& wish = transfer.wish;
    ManifestFile file{
        .path = {},
        .size = transfer.part.size(),
        .sha256 = std::exchange(transfer.hash, {}).finish(),
        .etag = transfer.note.etag
    };
    if (wish.size && file.size != *wish.size) {
        return fail(damaged(wish, fmt::format("has {} bytes instead of {}", file.size, *wish.size))
        );
    }
    if (!wish.sha256.empty() && file.sha256 != wish.sha256) {
        // Kept it would be gone on with for ever.
        ignore(transfer.part.clear(), "the next one starts over when the note does not fit");
        std::error_code code;
        fs::remove(transfer.note_path, code);
        return fail(damaged(wish, "is not what its hub promised: its SHA-256 differs"));
    }
    if (const auto forgotten = remove_durably(wish.manifest); !forgotten) {
        return propagate(forgotten);
    }
    if (const auto published = transfer.part.publish(wish.target); !published) {
        return propagate(published);
    }
    std::error_code code;
    fs::remove(transfer.note_path, code);
    return file;
}

}  // namespace nova::catalog

// Everything here was said by somebody else's server: nothing of it is trusted, all of it bounded.
#include "catalog/hub_reply.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"

namespace nova::catalog {
namespace {

constexpr std::size_t kMostEntries = 50'000;
constexpr std::size_t kMostPath = 1024;
constexpr std::size_t kMostQuote = 200;                    // of a server's own words
constexpr std::int64_t kMostSize = std::int64_t{1} << 50;  // sums of sizes must not wrap

bool is_safe_path(std::string_view path) {
    if (path.empty() || path.size() > kMostPath || path.starts_with('/') || path.ends_with('/')) {
        return false;
    }
    if (!std::ranges::all_of(path, [](char c) {
            return static_cast<unsigned char>(c) >= ' ' && c != '\x7f' && c != '\\';
        })) {
        return false;
    }
    while (!path.empty()) {
        const auto end = std::min(path.find('/'), path.size());
        const std::string_view segment = path.substr(0, end);
        if (segment.empty() || segment == "." || segment == "..") {
            return false;
        }
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return true;
}

bool is_sha256(std::string_view text) {
    return text.size() == 64 && std::ranges::all_of(text, [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
           });
}

std::optional<HubEntry> entry_from(const Json& item) {
    if (!item.is_object()) {
        return std::nullopt;
    }
    JsonReader in{item, "file"};
    HubEntry entry{.path = in.text("path").value_or("")};
    const std::int64_t size = in.integer("size").value_or(-1);
    if (in.text("type").value_or("") != "file" || size < 0 || size > kMostSize ||
        !is_safe_path(entry.path)) {
        return std::nullopt;
    }
    entry.size = static_cast<std::uint64_t>(size);
    if (const Json* lfs = in.object("lfs")) {
        JsonReader large{*lfs, "file.lfs"};
        // The hub calls it oid; its libraries, sha256.
        std::string hash = large.text("oid").value_or(large.text("sha256").value_or(""));
        entry.sha256 = is_sha256(hash) ? std::move(hash) : std::string{};
        if (const auto real = large.integer("size"); real && *real >= 0 && *real <= kMostSize) {
            entry.size = static_cast<std::uint64_t>(*real);
        }
    }
    return entry;
}

std::string lowered(std::string_view text) {
    std::string low{text};
    std::ranges::transform(low, low.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return low;
}

std::string quoted(std::string_view text) {
    std::string clean{text.substr(0, kMostQuote)};
    std::ranges::replace_if(clean, [](char c) { return c < ' ' || c == '\x7f'; }, ' ');
    return clean;
}

}  // namespace

bool looks_like_web_page(std::string_view content_type, std::string_view begin_of_body) {
    const auto first = begin_of_body.find_first_not_of(" \t\r\n");
    const bool tag = first != std::string_view::npos && begin_of_body[first] == '<';
    return lowered(content_type).starts_with("text/html") || tag;
}

Result<std::vector<HubEntry>> parse_hub_tree(std::string_view body) {
    if (looks_like_web_page("", body)) {
        return fail(
            ErrorCode::upstream_failed, "The hub answered with a web page instead of its files.",
            "A proxy or sign-in page may be in the way; check the setting hub.url."
        );
    }
    const auto value = parse_json(body, "The hub's list of files");
    if (!value || !value->is_array()) {
        return fail(
            ErrorCode::upstream_failed, "The hub's list of files cannot be read.",
            "Check the setting hub.url: it has to name a Hugging Face hub or a mirror of one."
        );
    }
    if (value->size() > kMostEntries) {
        return fail(ErrorCode::upstream_failed, "The hub lists more files than nova reads.");
    }
    std::vector<HubEntry> entries;
    for (const Json& item : *value) {
        if (auto entry = entry_from(item)) {
            entries.push_back(*std::move(entry));
        }
    }
    return entries;
}

std::string next_page(std::string_view link_header) {
    while (!link_header.empty()) {
        const auto open = link_header.find('<');
        const auto close = link_header.find('>', std::min(open, link_header.size()));
        if (close == std::string_view::npos) {
            return {};
        }
        const std::string_view target = link_header.substr(open + 1, close - open - 1);
        link_header.remove_prefix(close + 1);
        const auto end = std::min(link_header.find('<'), link_header.size());
        const std::string_view parameters = link_header.substr(0, end);
        if (parameters.contains("rel=\"next\"") || parameters.contains("rel=next")) {
            return std::string{target};
        }
        link_header.remove_prefix(end);
    }
    return {};
}

std::optional<std::chrono::seconds> retry_after_from(std::string_view header) {
    std::uint32_t seconds = 0;
    const auto [end, code] = std::from_chars(header.data(), header.data() + header.size(), seconds);
    if (header.empty() || code != std::errc{} || end != header.data() + header.size()) {
        return std::nullopt;
    }
    return std::chrono::seconds{seconds};
}

std::optional<ContentRange> parse_content_range(std::string_view header) {
    constexpr std::string_view kUnit = "bytes ";
    if (!lowered(header).starts_with(kUnit)) {
        return std::nullopt;
    }
    const char* at = header.data() + kUnit.size();
    const char* const last = header.data() + header.size();
    const auto number = [&](std::uint64_t& into) {
        const auto [end, code] = std::from_chars(at, last, into);
        at = end;
        return code == std::errc{};
    };
    const auto sign = [&](char wanted) { return at != last && *at++ == wanted; };
    ContentRange range;
    std::uint64_t final_byte = 0;
    if (!number(range.first) || !sign('-') || !number(final_byte) || !sign('/') ||
        final_byte < range.first) {
        return std::nullopt;
    }
    if (std::string_view{at, last} == "*") {
        return range;
    }
    std::uint64_t total = 0;
    if (!number(total) || at != last || total <= final_byte) {
        return std::nullopt;
    }
    range.total = total;
    return range;
}

Error explain_refusal(const HubRefusal& refusal, std::string_view asked, std::string_view page) {
    const bool token = refusal.token == TokenSent::yes;
    const bool gated = refusal.error_code == "GatedRepo";
    if (gated || (refusal.status == 403 && !token)) {
        return {
            .code = ErrorCode::forbidden,
            .message =
                token ? fmt::format(
                            "{} is gated, and the account of HF_TOKEN has no access to it.", asked
                        )
                      : fmt::format("{} is gated: its licence has to be accepted.", asked),
            .remedy = fmt::format(
                "Accept the licence at {}, then set HF_TOKEN to a token of that account and start "
                "nova again.",
                page
            )
        };
    }
    if (refusal.status == 401 && token && refusal.error_code != "RepoNotFound") {
        return {
            .code = ErrorCode::unauthorized,
            .message = "The hub does not accept HF_TOKEN.",
            .remedy = "Make a new token in the account's settings, and start nova with it."
        };
    }
    // A hub says 401 for what does not exist when nobody is signed in.
    if (refusal.status == 401 || refusal.status == 404 || refusal.status == 410) {
        const bool file = refusal.error_code == "EntryNotFound";
        return {
            .code = ErrorCode::not_found,
            .message = file ? fmt::format("{} is not in its repository any more.", asked)
                            : fmt::format("There is no {}, or it is private.", asked),
            .remedy = "Check the spelling; for a private repository set HF_TOKEN."
        };
    }
    if (refusal.status == 403) {
        return {
            .code = ErrorCode::forbidden,
            .message = fmt::format("The account of HF_TOKEN may not read {}.", asked),
            .remedy = fmt::format("Ask for access at {}, or use another token.", page)
        };
    }
    if (refusal.status == 429) {
        return {
            .code = ErrorCode::rate_limited,
            .message = "The hub has had too many requests from here.",
            .remedy = "Wait some minutes; with HF_TOKEN set the hub allows more.",
            .retry_after = refusal.retry_after
        };
    }
    const std::string words = quoted(refusal.error_message);
    return {
        .code = ErrorCode::upstream_failed,
        .message = fmt::format(
            "The server of {} answered with HTTP {}{}{}.", asked, refusal.status,
            words.empty() ? "" : ": ", words
        ),
        .remedy = "Try again later; what was downloaded is kept.",
        .retry_after = refusal.retry_after
    };
}

}  // namespace nova::catalog

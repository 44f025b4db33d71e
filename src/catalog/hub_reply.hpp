// What a Hugging Face hub answers: lists of files, and refusals turned into cause and remedy. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"

namespace nova::catalog {

struct HubEntry {
    std::string path;  // relative, without dot segments
    std::uint64_t size = 0;
    std::string sha256{};  // of files in large-file storage, else empty

    bool operator==(const HubEntry&) const = default;
};

// Body of GET /api/models/ORG/REPO/tree/REVISION. Folders, and paths that would lead out of a
// folder, are left out. Error: upstream_failed, saying so when it is a web page.
Result<std::vector<HubEntry>> parse_hub_tree(std::string_view body);

// Where the next page of a list is, out of a Link header; empty: this was the last one.
std::string next_page(std::string_view link_header);

// True for what a browser would show: a sign-in page or a proxy in the way.
bool looks_like_web_page(std::string_view content_type, std::string_view begin_of_body);

enum class TokenSent : bool { no, yes };

struct HubRefusal {
    int status = 0;
    std::string_view error_code;     // X-Error-Code
    std::string_view error_message;  // X-Error-Message
    std::optional<std::chrono::seconds> retry_after;
    TokenSent token = TokenSent::no;
};

// asked: "org/repo", or a URL without its query. page: where a person accepts a licence.
Error explain_refusal(const HubRefusal& refusal, std::string_view asked, std::string_view page);

// Seconds of a Retry-After header; empty for dates and nonsense.
std::optional<std::chrono::seconds> retry_after_from(std::string_view header);

// "bytes 100-199/200": where the piece begins and how long the whole is.
struct ContentRange {
    std::uint64_t first = 0;
    std::optional<std::uint64_t> total;
};

std::optional<ContentRange> parse_content_range(std::string_view header);

}  // namespace nova::catalog

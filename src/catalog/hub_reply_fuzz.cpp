// Any bytes as what a hub, a registry or an Ollama server says: no crash, no path out of a folder.
#include <algorithm>
#include <cstdint>
#include <string>

#include "catalog/gguf_choice.hpp"
#include "catalog/hub_reply.hpp"
#include "catalog/pull_reply.hpp"
#include "catalog/web_url.hpp"

namespace nova::catalog {
namespace {

void read_as_tree(std::string_view text) {
    const auto entries = parse_hub_tree(text);
    if (!entries) {
        NOVA_CHECK(!entries.error().message.empty());
        return;
    }
    for (const HubEntry& entry : *entries) {
        NOVA_CHECK(!entry.path.empty() && entry.path.front() != '/');
        NOVA_CHECK(("/" + entry.path + "/").find("/../") == std::string::npos);
        NOVA_CHECK(entry.sha256.empty() || entry.sha256.size() == 64);
    }
    for (const char* wish : {"", "Q4_K_M"}) {
        const auto set = choose_gguf(*entries, "o/r", wish);
        NOVA_CHECK(!set || !set->files.empty());
    }
}

PullReply pulled(std::string_view text, std::size_t piece) {
    PullReply reply;
    while (!text.empty()) {
        reply.feed(text.substr(0, piece));
        text.remove_prefix(std::min(text.size(), piece));
    }
    return reply;
}

void read_as_pull(std::string_view text) {
    const PullReply whole = pulled(text, text.size() + 1);
    for (const std::size_t piece : {1U, 7U}) {
        const PullReply split = pulled(text, piece);
        NOVA_CHECK(split.done() == whole.done() && split.total() == whole.total());
        NOVA_CHECK(split.succeeded() == whole.succeeded());
        NOVA_CHECK(split.error().has_value() == whole.error().has_value());
    }
    NOVA_CHECK(!whole.total() || whole.done() <= *whole.total());
    NOVA_CHECK(!whole.succeeded() || !whole.error());
}

}  // namespace
}  // namespace nova::catalog

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace nova::catalog;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    read_as_tree(text);
    read_as_pull(text);
    static_cast<void>(next_page(text));
    static_cast<void>(parse_content_range(text));
    static_cast<void>(retry_after_from(text));
    const WebUrl from{.endpoint = {.host = "h", .port = 443, .tls = true}, .target = "/a/b"};
    if (const auto to = redirected(from, text)) {
        NOVA_CHECK(to->target.starts_with('/'));
        NOVA_CHECK(to->target.find_first_of("\r\n") == std::string::npos);
    }
    return 0;
}

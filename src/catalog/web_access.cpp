// A download's redirects lead to storage hosts nobody chose: what they may see is decided per hop.
#include "catalog/web_access.hpp"

#include <fmt/format.h>

namespace nova::catalog {
namespace {

constexpr int kMostRedirects = 8;

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

std::unexpected<Error> redirect_refused(std::string message) {
    return fail(Error{
        .code = ErrorCode::upstream_failed,
        .message = std::move(message),
        .word = "redirect_refused",
        .remedy = "Check the setting hub.url, or download the file in another way and give its "
                  "path.",
    });
}

}  // namespace

Result<WebUrl> parse_hub_url(std::string_view text) {
    auto url = parse_web_url(text);
    if (!url || url->target.contains('?') || (!url->endpoint.tls && !is_loopback(url->endpoint))) {
        return fail(
            ErrorCode::unprocessable, "hub.url has to be an https address without a query.",
            "Set it to https://huggingface.co or to a mirror of it."
        );
    }
    if (url->target == "/") {
        url->target.clear();
    }
    return url;
}

bool WebAccess::allowed(const WebUrl& url) const {
    return url.endpoint.tls || (is_loopback(url.endpoint) && !hub_.base.endpoint.tls &&
                                is_loopback(hub_.base.endpoint));
}

WebUrl WebAccess::at_hub(std::string_view path_and_query) const {
    WebUrl url = hub_.base;
    url.target.append(path_and_query);
    return url;
}

Task<Result<WebAnswer>> WebAccess::get(
    WebUrl url, std::vector<std::pair<std::string, std::string>> headers,
    std::chrono::nanoseconds limit
) {
    for (int hop = 0; hop <= kMostRedirects; ++hop) {
        if (!allowed(url)) {
            co_return redirect_refused(
                fmt::format("{} is not encrypted; nova fetches by https only.", url.shown())
            );
        }
        const bool with_token = !hub_.token.empty() && url.endpoint == hub_.base.endpoint;
        net::FetchRequest request{
            .endpoint = url.endpoint,
            .method = "GET",
            .target = url.target,
            .headers = headers,
            .body = {},
            .deadline = Deadline::in(clock_, limit)
        };
        request.headers.emplace_back("User-Agent", "nova");
        if (with_token) {
            request.headers.emplace_back("Authorization", "Bearer " + hub_.token.reveal());
        }
        auto answer = co_await net::fetch_open(clock_, std::move(request), tls_);
        if (!answer) {
            co_return propagate(answer);
        }
        if (!is_redirect(answer->status)) {
            co_return WebAnswer{
                .answer = *std::move(answer),
                .at = std::move(url),
                .token = with_token ? TokenSent::yes : TokenSent::no
            };
        }
        auto next = redirected(url, answer->header("Location"));
        if (!next) {
            co_return redirect_refused(next.error().message);
        }
        url = *std::move(next);
    }
    co_return redirect_refused(fmt::format("{} redirects in a circle.", url.endpoint.text()));
}

}  // namespace nova::catalog

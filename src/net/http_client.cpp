// Whole requests over a connection of their own: rare, so that simplicity wins over reuse.
#include "net/http_client.hpp"

#include <algorithm>
#include <charconv>

namespace nova::net {
namespace {

std::string host_header_of(const Endpoint& endpoint) {
    if (endpoint.host.starts_with("unix:")) {
        return "localhost";
    }
    const int usual = endpoint.tls ? 443 : 80;
    std::string text = endpoint.text();
    if (endpoint.port == usual) {
        text.resize(text.rfind(':'));
    }
    return text;
}

Result<std::string> head_of(const FetchRequest& request) {
    std::string head;
    append_request_line(head, request.method, request.target);
    append_header(head, "Host", host_header_of(request.endpoint));
    append_header(head, "Connection", "close");
    for (const auto& [name, value] : request.headers) {
        if (!append_header(head, name, value)) {
            return fail(ErrorCode::invalid_argument, "The header " + name + " has a line break.");
        }
    }
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
        append_header(head, "Content-Length", std::to_string(request.body.size()));
    }
    append_head_end(head);
    return head;
}

bool is_clean_target(std::string_view target) {
    return target.starts_with('/') &&
           std::all_of(target.begin(), target.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

// Sends the request and reads the head of its answer.
Task<Result<std::unique_ptr<UpstreamConnection>>>
start(Clock& clock, const FetchRequest& request, TlsClient* tls) {
    if (!is_clean_target(request.target)) {
        co_return fail(ErrorCode::invalid_argument, "The path of the request is not valid.");
    }
    const auto head = head_of(request);
    if (!head) {
        co_return propagate(head);
    }
    auto connection = co_await dial(request.endpoint, clock, request.deadline, tls);
    if (!connection) {
        co_return propagate(connection);
    }
    auto upstream = std::make_unique<UpstreamConnection>(*std::move(connection), HeadLimits{});
    upstream->connection().expire_at(request.deadline.at);
    const auto sent = co_await upstream->send(*head, request.body, request.method);
    if (!sent) {
        co_return propagate(sent, request.endpoint.text());
    }
    co_return upstream;
}

std::string_view
find_in(const std::vector<std::pair<std::string, std::string>>& headers, std::string_view name) {
    for (const auto& [key, value] : headers) {
        if (equal_ignoring_case(key, name)) {
            return value;
        }
    }
    return {};
}

}  // namespace

std::string_view FetchResponse::header(std::string_view name) const {
    return find_in(headers, name);
}

std::string_view OpenAnswer::header(std::string_view name) const {
    return find_in(headers, name);
}

Task<Result<OpenAnswer>> fetch_open(Clock& clock, FetchRequest request, TlsClient* tls) {
    auto upstream = co_await start(clock, request, tls);
    if (!upstream) {
        co_return propagate(upstream);
    }
    const auto head = co_await (*upstream)->read_head();
    if (!head) {
        co_return propagate(head, request.endpoint.text());
    }
    OpenAnswer answer;
    answer.status = (*head)->status;
    for (const HeaderView& field : (*head)->headers) {
        answer.headers.emplace_back(field.name, field.value);
    }
    answer.connection = std::move(*upstream);
    co_return answer;
}

Task<Result<FetchResponse>> fetch(Clock& clock, FetchRequest request, TlsClient* tls) {
    const Endpoint endpoint = request.endpoint;
    const std::size_t body_limit = request.body_limit;
    auto answer = co_await fetch_open(clock, std::move(request), tls);
    if (!answer) {
        co_return propagate(answer);
    }
    FetchResponse response;
    response.status = answer->status;
    response.headers = std::move(answer->headers);
    while (true) {
        const auto piece = co_await answer->connection->read_body_some();
        if (!piece) {
            co_return propagate(piece, endpoint.text());
        }
        if (piece->empty()) {
            co_return response;
        }
        if (response.body.size() + piece->size() > body_limit) {
            co_return fail(
                ErrorCode::too_large, "The answer of " + endpoint.text() + " is too large."
            );
        }
        response.body.append(*piece);
    }
}

Task<Result<int>>
fetch_stream(Clock& clock, FetchRequest request, StreamSink sink, TlsClient* tls) {
    const auto stopped = [] {
        return fail(ErrorCode::cancelled, "The answer was not wanted any longer.");
    };
    auto upstream = co_await start(clock, request, tls);
    if (!upstream) {
        co_return propagate(upstream);
    }
    const auto head = co_await (*upstream)->read_head();
    if (!head) {
        co_return propagate(head, request.endpoint.text());
    }
    const int status = (*head)->status;
    if (sink.on_head && !sink.on_head(status)) {
        co_return stopped();
    }
    while (true) {
        const auto piece = co_await (*upstream)->read_body_some();
        if (!piece) {
            co_return propagate(piece, request.endpoint.text());
        }
        if (piece->empty()) {
            co_return status;
        }
        if (sink.on_data && !sink.on_data(*piece)) {
            co_return stopped();
        }
    }
}

std::string Url::host_header() const {
    return host_header_of(endpoint);
}

namespace {

std::unexpected<Error> bad_url(std::string_view text, std::string_view why) {
    // A user name may come with a password, and a query with a key: do not repeat those.
    const bool quotable = text.find_first_of("@?#") == std::string_view::npos;
    return fail(
        ErrorCode::invalid_argument, (quotable ? std::string{text} : std::string{"The text"}) +
                                         " is not a usable URL: " + std::string{why} + "."
    );
}

Result<std::uint16_t> parse_port(std::string_view url, std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (code != std::errc{} || end != text.data() + text.size() || port == 0) {
        return bad_url(url, "the port is not a number from 1 to 65535");
    }
    return port;
}

bool is_host(std::string_view host) {
    return !host.empty() && std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '-' || c == '.' || c == '_';
    });
}

bool is_ipv6(std::string_view host) {
    return host.find(':') != std::string_view::npos &&
           host.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
}

}  // namespace

Result<Url> parse_url(std::string_view text) {
    std::string_view rest = text;
    Url url;
    if (rest.starts_with("https://")) {
        url.endpoint.tls = true;
        rest.remove_prefix(8);
    } else if (rest.starts_with("http://")) {
        rest.remove_prefix(7);
    } else {
        return bad_url(text, "it starts neither with http:// nor with https://");
    }
    if (rest.find_first_of("?#@\\ \t\r\n") != std::string_view::npos) {
        return bad_url(text, "a user, query, fragment or space has no place in it");
    }
    const auto slash = rest.find('/');
    std::string_view authority = rest.substr(0, slash);
    std::string_view path = slash == std::string_view::npos ? "" : rest.substr(slash);
    std::string_view port;
    if (authority.starts_with('[')) {
        const auto close = authority.find(']');
        if (close == std::string_view::npos || !is_ipv6(authority.substr(1, close - 1))) {
            return bad_url(text, "the IPv6 address is not valid");
        }
        url.endpoint.host = authority.substr(1, close - 1);
        port = authority.substr(close + 1);
    } else {
        const auto colon = authority.find(':');
        url.endpoint.host = authority.substr(0, colon);
        port = colon == std::string_view::npos ? "" : authority.substr(colon);
        if (!is_host(url.endpoint.host)) {
            return bad_url(text, "the host is missing or not valid");
        }
    }
    url.endpoint.port = url.endpoint.tls ? 443 : 80;
    if (!port.empty()) {
        const auto number = parse_port(text, port.starts_with(':') ? port.substr(1) : "");
        if (!number) {
            return propagate(number);
        }
        url.endpoint.port = *number;
    }
    while (path.ends_with('/')) {
        path.remove_suffix(1);
    }
    url.path = path;
    return url;
}

}  // namespace nova::net

// Linear search with an exact comparison first: the busy routes have no parameters, and a few dozen
// patterns are compared faster than a tree is walked.
#include "net/route_table.hpp"

#include <algorithm>
#include <optional>

#include "net/percent.hpp"

namespace nova::net {
namespace {

constexpr auto npos = std::string_view::npos;

std::vector<std::string_view> split(std::string_view path) {
    std::vector<std::string_view> parts;
    if (path.starts_with('/')) {
        path.remove_prefix(1);
    }
    while (true) {
        const auto slash = path.find('/');
        parts.push_back(path.substr(0, slash));
        if (slash == npos) {
            return parts;
        }
        path.remove_prefix(slash + 1);
    }
}

bool is_parameter(std::string_view segment) {
    return segment.size() > 2 && segment.front() == '{' && segment.back() == '}';
}

bool takes_rest(std::string_view segment) {
    return segment.ends_with("*}");
}

std::string_view parameter_name(std::string_view segment) {
    return segment.substr(1, segment.size() - (takes_rest(segment) ? 3 : 2));
}

// "." or ".." between slashes of either kind, as somebody behind us might read the segment.
bool has_dot_segment(std::string_view text) {
    while (true) {
        const auto end = text.find_first_of("/\\");
        const std::string_view part = text.substr(0, end);
        if (part == "." || part == "..") {
            return true;
        }
        if (end == npos) {
            return false;
        }
        text.remove_prefix(end + 1);
    }
}

bool has_forbidden_byte(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        // C0 and C1 start overlong UTF-8 only ("%c0%ae" is a dot to careless decoders).
        return byte < 0x20U || byte == 0x7fU || byte == 0xc0U || byte == 0xc1U;
    });
}

// Decoded once for the match, and again for the check: "%252e" must not become a dot in a second
// decoder behind us. Empty: this segment belongs to no resource of ours.
std::optional<std::string> decode_segment(std::string_view raw) {
    auto once = percent_decoded(raw, PlusSign::literal);
    if (!once || has_forbidden_byte(*once)) {
        return std::nullopt;
    }
    constexpr int kRounds = 3;
    std::string deeper = *once;
    for (int round = 0; round < kRounds; ++round) {
        if (has_dot_segment(deeper)) {
            return std::nullopt;
        }
        const auto next = percent_decoded(deeper, PlusSign::literal);
        if (!next || *next == deeper) {
            break;
        }
        deeper = *next;
    }
    return once;
}

// The more literal pattern wins, then the one that does not take the rest.
bool more_specific(const std::vector<std::string>& a, const std::vector<std::string>& b) {
    const auto rank = [](const std::string& segment) {
        return !is_parameter(segment) ? 0 : takes_rest(segment) ? 2 : 1;
    };
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
        if (rank(a[i]) != rank(b[i])) {
            return rank(a[i]) < rank(b[i]);
        }
    }
    return a.size() > b.size();
}

void add_method(std::string& allow, std::string_view method) {
    std::string_view rest = allow;
    while (!rest.empty()) {
        const auto comma = rest.find(", ");
        if (rest.substr(0, comma) == method) {
            return;
        }
        rest = comma == npos ? std::string_view{} : rest.substr(comma + 2);
    }
    allow.append(allow.empty() ? "" : ", ").append(method);
}

// HEAD is answered by GET's handler; the session leaves the body out.
bool answers(std::string_view route_method, std::string_view method) {
    return route_method == method || (method == "HEAD" && route_method == "GET");
}

}  // namespace

void RouteTable::add(std::string method, std::string pattern, Handler handler) {
    Route route{std::move(method), std::move(pattern), {}, std::move(handler)};
    for (const std::string_view segment : split(route.pattern)) {
        NOVA_CHECK(route.segments.empty() || !takes_rest(route.segments.back()));
        route.segments.emplace_back(segment);
    }
    routes_.push_back(std::move(route));
}

void RouteTable::set_fallback(Handler handler) {
    fallback_ = std::move(handler);
}

RouteTable::Match RouteTable::find(std::string_view method, std::string_view path) const {
    Match match;
    for (const Route& route : routes_) {
        if (route.pattern == path && route.method == method && path.find('{') == npos) {
            match.handler = &route.handler;
            return match;
        }
    }
    match.error = {.code = ErrorCode::not_found, .message = "There is nothing at this path."};
    std::vector<std::string> decoded;
    for (const std::string_view segment : split(path)) {
        auto text = decode_segment(segment);
        if (!text) {
            return match;
        }
        decoded.push_back(*std::move(text));
    }
    const Route* best = nullptr;
    for (const Route& route : routes_) {
        if (!fits(route, decoded)) {
            continue;
        }
        if (!answers(route.method, method)) {
            add_method(match.allow, route.method);
            if (route.method == "GET") {
                add_method(match.allow, "HEAD");
            }
        } else if (best == nullptr || more_specific(route.segments, best->segments)) {
            best = &route;
        }
    }
    if (best != nullptr) {
        fill(*best, decoded, match);
        match.allow.clear();
    } else if (!match.allow.empty()) {
        match.error = {
            .code = ErrorCode::invalid_argument,
            .message = "This path does not answer this method.",
            .word = "method_not_allowed"
        };
    } else if (fallback_) {
        match.handler = &fallback_;
    }
    return match;
}

bool RouteTable::fits(const Route& route, const std::vector<std::string>& decoded) {
    for (std::size_t i = 0; i < route.segments.size(); ++i) {
        const std::string& segment = route.segments[i];
        if (i >= decoded.size()) {
            return false;
        }
        if (is_parameter(segment) && takes_rest(segment)) {
            return !(decoded[i].empty() && i + 1 == decoded.size());
        }
        if (is_parameter(segment) ? decoded[i].empty() : decoded[i] != segment) {
            return false;
        }
    }
    return decoded.size() == route.segments.size();
}

void RouteTable::fill(const Route& route, const std::vector<std::string>& decoded, Match& match) {
    match.handler = &route.handler;
    for (std::size_t i = 0; i < route.segments.size(); ++i) {
        const std::string& segment = route.segments[i];
        if (!is_parameter(segment)) {
            continue;
        }
        std::string value = decoded[i];
        if (takes_rest(segment)) {
            for (std::size_t rest = i + 1; rest < decoded.size(); ++rest) {
                value.append("/").append(decoded[rest]);
            }
        }
        match.parameters.emplace_back(parameter_name(segment), std::move(value));
    }
}

std::vector<RouteTable::Entry> RouteTable::entries() const {
    std::vector<Entry> entries;
    for (const Route& route : routes_) {
        entries.push_back({route.method, route.pattern});
    }
    return entries;
}

}  // namespace nova::net

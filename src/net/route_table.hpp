// Which handler answers which method and path.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/exchange.hpp"

namespace nova::net {

using Handler = std::function<Task<void>(Exchange&)>;

// Patterns are literal segments and {name} for one segment, or a final {name*} for the rest of the
// path, slashes included (model ids). Paths with dot segments, in any encoding, match nothing.
class RouteTable {
public:
    void add(std::string method, std::string pattern, Handler handler);
    // Handles what no pattern matches (the dashboard's files); optional.
    void set_fallback(Handler handler);

    struct Match {
        const Handler* handler = nullptr;  // nullptr: see error
        std::vector<std::pair<std::string, std::string>> parameters;
        Error error{};      // not_found, or invalid_argument word method_not_allowed
        std::string allow;  // with method_not_allowed: the Allow header, "GET, HEAD, POST"
    };

    Match find(std::string_view method, std::string_view path) const;

    struct Entry {
        std::string method;
        std::string pattern;
    };

    std::vector<Entry> entries() const;  // for tests that walk every route

private:
    struct Route;
    static bool fits(const Route& route, const std::vector<std::string>& decoded);
    static void fill(const Route& route, const std::vector<std::string>& decoded, Match& match);

    std::vector<Route> routes_;
    Handler fallback_;
};

struct RouteTable::Route {
    std::string method;
    std::string pattern;
    std::vector<std::string> segments;
    Handler handler;
};

}  // namespace nova::net

// The parts of an HTTP/1.1 message, as views into the bytes they were parsed from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nova::net {

struct HeaderView {
    std::string_view name;   // as written; compare with equal_ignoring_case
    std::string_view value;  // without surrounding white space
};

// ASCII only, as header names and tokens are.
bool equal_ignoring_case(std::string_view a, std::string_view b);

class Headers {
public:
    // First field of that name; empty view with data() == nullptr when there is none.
    std::string_view find(std::string_view name) const;

    bool has(std::string_view name) const { return find(name).data() != nullptr; }

    std::size_t count(std::string_view name) const;
    // True when a comma-separated list field of that name holds the token (any case).
    bool has_token(std::string_view name, std::string_view token) const;

    void add(std::string_view name, std::string_view value) { fields_.push_back({name, value}); }

    void clear() { fields_.clear(); }

    std::size_t size() const { return fields_.size(); }

    auto begin() const { return fields_.begin(); }

    auto end() const { return fields_.end(); }

private:
    std::vector<HeaderView> fields_;
};

struct RequestHead {
    std::string_view method;
    std::string_view target;  // origin-form "/path?query", as sent
    int minor_version = 1;    // HTTP/1.0 or HTTP/1.1
    Headers headers{};

    std::string_view path() const;   // target up to '?'
    std::string_view query() const;  // behind '?', without it
};

struct ResponseHead {
    int status = 0;
    std::string_view reason;
    int minor_version = 1;
    Headers headers{};
};

// The value of a query parameter, percent-decoded; empty optional-like pair when missing.
std::pair<bool, std::string> query_parameter(std::string_view query, std::string_view name);

}  // namespace nova::net

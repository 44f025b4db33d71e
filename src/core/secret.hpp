// A value that must not be printed: no operator<<, no formatter, no comparison that leaks time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace nova {

class Secret {
public:
    Secret() = default;

    explicit Secret(std::string value) : value_{std::move(value)} {}

    // Every use of the clear text reads as what it is.
    const std::string& reveal() const { return value_; }

    bool empty() const { return value_.empty(); }

    // Takes as long for a near miss as for a wild guess of the same length.
    bool matches(std::string_view candidate) const {
        unsigned difference = candidate.size() == value_.size() ? 0U : 1U;
        for (std::size_t i = 0; i < candidate.size(); ++i) {
            const char own = value_.empty() ? '\0' : value_[i % value_.size()];
            difference |= static_cast<unsigned>(static_cast<unsigned char>(own ^ candidate[i]));
        }
        return difference == 0 && !value_.empty();
    }

private:
    std::string value_;
};

}  // namespace nova

// What is taken over, and what is made.
#include <gtest/gtest.h>

#include "gateway/request_id.hpp"

namespace nova::gateway {
namespace {

TEST(RequestId, TakesOverOnlyWhatIsSafeInHeadersAndLogs) {
    EXPECT_TRUE(is_safe_request_id("0b5c-4f.A_z"));
    EXPECT_TRUE(is_safe_request_id(std::string(128, 'a')));
    EXPECT_FALSE(is_safe_request_id(std::string(129, 'a')));
    for (const std::string_view bad : {"", "a b", "a\r\nX: y", "ü", "<script>", "a\"b"}) {
        EXPECT_FALSE(is_safe_request_id(bad)) << bad;
    }
}

TEST(RequestId, IsNeverMadeTwice) {
    RequestIds one;
    RequestIds two;
    const std::string first = one.next();
    EXPECT_TRUE(is_safe_request_id(first)) << first;
    EXPECT_NE(first, one.next());
    EXPECT_NE(first.substr(0, 20), two.next().substr(0, 20));
}

}  // namespace
}  // namespace nova::gateway

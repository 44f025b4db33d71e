// Markers and words, there and back.
#include <gtest/gtest.h>

#include "runtime/instance_spec.hpp"

namespace nova::runtime {
namespace {

TEST(InstanceMarker, SaysTheWholeIdentity) {
    const InstanceIdentity identity{{"ab12"}, {"local"}, {7}, {"3fa9"}};
    EXPECT_EQ(identity.marker(), "ab12/local/7/3fa9");
    EXPECT_EQ(parse_marker(identity.marker()), identity);
}

TEST(InstanceMarker, IsRefusedWhenAnythingIsWrongWithIt) {
    for (const std::string text :
         {"", "/", "a/b/7", "a/b/7/c/d", "a//7/c", "/b/7/c", "a/b/7/", "a/b/x/c", "a/b/7x/c",
          "a/b/-1/c", "a/b/18446744073709551616/c"}) {
        EXPECT_FALSE(parse_marker(text)) << text;
    }
}

TEST(RuntimeWord, GoesThereAndBack) {
    for (const auto kind : {RuntimeKind::process, RuntimeKind::docker, RuntimeKind::external}) {
        EXPECT_EQ(runtime_kind_from(word(kind)), kind);
    }
    EXPECT_FALSE(runtime_kind_from("podman"));
}

TEST(ExitText, SaysHowItEnded) {
    EXPECT_EQ((ExitStatus{.code = 3, .signal = {}}).text(), "exited with code 3");
    EXPECT_EQ((ExitStatus{.code = {}, .signal = 9}).text(), "was killed by signal 9");
    EXPECT_EQ(
        (ExitStatus{.code = {}, .signal = 9, .out_of_memory = true}).text(),
        "was killed because memory ran out"
    );
    EXPECT_EQ(ExitStatus{}.text(), "ended");
}

}  // namespace
}  // namespace nova::runtime

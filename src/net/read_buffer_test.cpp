#include <gtest/gtest.h>

#include "net/read_buffer.hpp"

namespace nova::net {
namespace {

void fill(ReadBuffer& buffer, std::string_view text) {
    const auto room = buffer.room();
    ASSERT_GE(room.size(), text.size());
    std::ranges::copy(text, room.begin());
    buffer.filled(text.size());
}

TEST(ReadBuffer, KeepsWhatWasNotTaken) {
    ReadBuffer buffer;
    EXPECT_TRUE(buffer.empty());
    fill(buffer, "head");
    fill(buffer, "body");
    buffer.take(4);
    EXPECT_EQ(buffer.unread(), "body");
    EXPECT_EQ(*buffer.data(), 'b');
    buffer.clear();
    EXPECT_TRUE(buffer.empty());
}

TEST(ReadBuffer, MovesTheUnreadToTheFrontBeforeItGrows) {
    ReadBuffer buffer;
    const std::size_t size = buffer.room().size();
    fill(buffer, std::string(size - 1, 'a') + "b");
    buffer.take(size - 1);
    EXPECT_EQ(buffer.room().size(), size - 1);
    EXPECT_EQ(buffer.unread(), "b");
    fill(buffer, std::string(size - 1, 'c'));
    EXPECT_EQ(buffer.room().size(), size) << "full of unread bytes: twice as large";
    EXPECT_EQ(buffer.unread(), "b" + std::string(size - 1, 'c'));
}

}  // namespace
}  // namespace nova::net

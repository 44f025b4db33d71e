#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "gateway/usage_queue.hpp"

namespace nova::gateway {
namespace {

RequestRecord record(int status) {
    RequestRecord record;
    record.request_id = "req-1";
    record.model = "small";
    record.status = status;
    record.usage.prompt = 7;
    return record;
}

TEST(UsageQueue, GivesRowsInOrderAndOnce) {
    UsageQueue queue;
    EXPECT_EQ(queue.front(), nullptr);
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(queue.push(record(i)), UsageQueue::Pushed::done);
    }
    for (int i = 0; i < 3; ++i) {
        ASSERT_NE(queue.front(), nullptr);
        EXPECT_EQ(queue.front()->status, i);
        EXPECT_EQ(queue.front()->request_id.view(), "req-1");
        EXPECT_EQ(queue.front()->usage.prompt, 7U);
        EXPECT_FALSE(queue.front()->usage.completion);
        queue.pop();
    }
    EXPECT_EQ(queue.front(), nullptr);
}

TEST(UsageQueue, DropsWhatFindsItFullAndSaysWhenItIsHalfFull) {
    UsageQueue queue;
    std::size_t calls = 0;
    for (std::size_t i = 0; i < UsageQueue::kPlaces; ++i) {
        const auto pushed = queue.push(record(1));
        EXPECT_NE(pushed, UsageQueue::Pushed::dropped);
        calls += pushed == UsageQueue::Pushed::half_full ? 1U : 0U;
    }
    EXPECT_EQ(calls, 1U);
    EXPECT_EQ(queue.push(record(1)), UsageQueue::Pushed::dropped);
    queue.pop();
    EXPECT_EQ(queue.push(record(2)), UsageQueue::Pushed::done);
}

TEST(UsageQueue, CutsLongTextsAtACharactersBorder) {
    ShortText<4> text;
    text.assign("abcdef");
    EXPECT_EQ(text.view(), "abcd");
    text.assign("abc\xc3\xa9");  // é would be cut in half
    EXPECT_EQ(text.view(), "abc");
    text.assign("");
    EXPECT_EQ(text.view(), "");
    text.assign("\x80\x80\x80\x80\x80");
    EXPECT_EQ(text.view(), "");
}

TEST(UsageQueue, LosesNothingBetweenTwoThreads) {
    constexpr int kRows = 50'000;
    UsageQueue queue;
    int next = 0;
    {
        const std::jthread writer{[&queue] {  // tidy-allow(thread): a worker and the drain
            for (int i = 0; i < kRows;) {
                i += queue.push(record(i)) == UsageQueue::Pushed::dropped ? 0 : 1;
            }
        }};
        while (next < kRows) {
            if (const EndedRequest* row = queue.front()) {
                ASSERT_EQ(row->status, next);
                ++next;
                queue.pop();
            }
        }
    }
    EXPECT_EQ(queue.front(), nullptr);
}

}  // namespace
}  // namespace nova::gateway

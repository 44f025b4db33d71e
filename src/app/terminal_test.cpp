// Units, bars, and keeping the user's terminal safe.
#include <gtest/gtest.h>

#include "app/terminal.hpp"

namespace nova::app {
namespace {

TEST(Printable, DropsWhatCouldDriveATerminal) {
    EXPECT_EQ(printable("a\x1b[2Jb\rc\x07\n\td"), "a[2Jbc\n\td");
    EXPECT_EQ(printable("gr\xc3\xbc\xc3\x9f \xe2\x86\x92"), "gr\xc3\xbc\xc3\x9f \xe2\x86\x92");
    EXPECT_EQ(printable("x\xc2\x9bpy"), "xpy");  // U+009B: a control sequence introducer
    EXPECT_EQ(printable("\xc2\xa9\x7f"), "\xc2\xa9");
}

TEST(Bar, StaysWithinItsWidth) {
    EXPECT_EQ(bar(0, 4), "[....]");
    EXPECT_EQ(bar(0.5, 4), "[##..]");
    EXPECT_EQ(bar(0.99, 4), "[###.]");  // full only when it is done
    EXPECT_EQ(bar(1, 4), "[####]");
    EXPECT_EQ(bar(7, 4), "[####]");
    EXPECT_EQ(bar(-1, 4), "[....]");
    EXPECT_EQ(bar(0.0 / 1.0, 4), "[....]");
}

TEST(Human, SaysSizesAndTimes) {
    EXPECT_EQ(human_bytes(0), "0 B");
    EXPECT_EQ(human_bytes(1023), "1023 B");
    EXPECT_EQ(human_bytes(1536), "1.5 KiB");
    EXPECT_EQ(human_bytes(102'957'000), "98.2 MiB");
    EXPECT_EQ(human_bytes(std::uint64_t{24} << 30U), "24.0 GiB");
    EXPECT_EQ(human_seconds(0.2), "1 s");
    EXPECT_EQ(human_seconds(59.5), "1 min");
    EXPECT_EQ(human_seconds(4200), "1 h 10 min");
}

TEST(Terminal, WritesOneLinePerStepWhereLinesCannotBeRewritten) {
    testing::internal::CaptureStderr();
    Terminal terminal{Terminal::Kind{}};
    terminal.progress("weights", "  weights 1 of 3");
    terminal.progress("weights", "  weights 2 of 3");
    terminal.progress("load", "  load");
    terminal.end_progress();
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "  weights 1 of 3\n  load\n");
}

TEST(Terminal, EndsARewrittenLineBeforeAnythingElse) {
    testing::internal::CaptureStderr();
    testing::internal::CaptureStdout();
    Terminal terminal{Terminal::Kind{.error_is_terminal = true}};
    terminal.progress("a", "first");
    terminal.progress("a", "second");
    terminal.line("answer");
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "\r\x1b[2Kfirst\r\x1b[2Ksecond\n");
    EXPECT_EQ(testing::internal::GetCapturedStdout(), "answer\n");
}

TEST(Terminal, ComplainsAsSentenceOrAsObjectWithTheSameExitCode) {
    const Error error{
        .code = ErrorCode::unavailable, .message = "No.", .word = "gone", .remedy = "Do."
    };
    Terminal terminal{Terminal::Kind{}};
    testing::internal::CaptureStderr();
    EXPECT_EQ(terminal.complain(error, Style::plain), ExitCode::not_reachable);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "nova: No.\n      Do.\n");
    testing::internal::CaptureStdout();
    EXPECT_EQ(terminal.complain(error, Style::json), ExitCode::not_reachable);
    EXPECT_EQ(
        testing::internal::GetCapturedStdout(),
        "{\"error\":{\"code\":\"gone\",\"detail\":\"No.\",\"remedy\":\"Do.\"}}\n"
    );
}

TEST(Terminal, HonoursNoColour) {
    Terminal plain{Terminal::Kind{}};
    EXPECT_EQ(plain.bold("x"), "x");
    Terminal colour{Terminal::Kind{.colour = true}};
    EXPECT_EQ(colour.bold("x"), "\x1b[1mx\x1b[0m");
    EXPECT_FALSE(Terminal::look({{"NO_COLOR", "1"}, {"TERM", "xterm"}}).colour);
}

}  // namespace
}  // namespace nova::app

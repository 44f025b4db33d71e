// Tables of what counts as work, as progress and as too long.
#include <gtest/gtest.h>

#include "lifecycle/supervision.hpp"

namespace nova::lifecycle {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

Footprint print(std::uint64_t bytes, std::optional<std::size_t> log, int counters = -1) {
    Footprint print{.generation = {1}, .bytes = bytes, .log = log};
    if (counters >= 0) {
        print.counters = static_cast<std::uint64_t>(counters);
    }
    return print;
}

TEST(Supervision, KnowsWhatIsEvidenceOfWork) {
    struct Row {
        const char* name;
        Footprint before;
        Footprint now;
        bool silent;
        bool answered;
        bool canary;
    };

    const Row rows[] = {
        {"nothing moved", print(5, 1, 7), print(5, 1, 7), false, false, false},
        {"bytes were relayed", print(5, 1, 7), print(6, 1, 7), true, true, true},
        {"tokens were counted", print(5, 1, 7), print(5, 1, 8), true, true, false},
        {"lines were logged", print(5, 1), print(5, 2), true, false, false},
        {"lines about the counters alone", print(5, 1, 7), print(5, 2, 7), false, false, false},
        {"counters that came back", print(5, 1), print(5, 1, 7), false, false, false},
        {"a log that cannot be read", print(5, 1), print(5, std::nullopt), false, false, false},
    };
    for (const Row& row : rows) {
        SCOPED_TRACE(row.name);
        EXPECT_EQ(worked_between(row.before, row.now, BadLook::silent), row.silent);
        EXPECT_EQ(worked_between(row.before, row.now, BadLook::answered), row.answered);
        EXPECT_EQ(worked_between(row.before, row.now, BadLook::canary), row.canary);
    }
    Footprint other = print(9, 2);
    other.generation = {2};
    EXPECT_FALSE(worked_between(print(5, 1), other, BadLook::silent));
}

TEST(Supervision, ForgivesWhileWorkIsSeenAndNotForEver) {
    LifecyclePolicy policy;
    TimePoint now{std::chrono::hours{1}};
    Doubt doubt = after_bad_look({}, false, now, policy);
    EXPECT_EQ(doubt, (Doubt{1, now}));
    doubt = after_bad_look(doubt, false, now + seconds{30}, policy);
    EXPECT_EQ(doubt.strikes, 2U);
    doubt = after_bad_look(doubt, true, now + seconds{60}, policy);
    EXPECT_EQ(doubt, (Doubt{0, now}));
    doubt = after_bad_look(doubt, true, now + minutes{10} - seconds{1}, policy);
    EXPECT_EQ(doubt.strikes, 0U);
    doubt = after_bad_look(doubt, true, now + minutes{10}, policy);
    EXPECT_EQ(doubt.strikes, 1U);
    const Failure late = unresponsive(doubt, now + minutes{11}, policy);
    EXPECT_NE(late.error.detail.find("660 s"), std::string::npos) << late.error.detail;
    const Failure dead = unresponsive({3, now}, now + minutes{1}, policy);
    EXPECT_NE(dead.error.detail.find("3 health probes"), std::string::npos) << dead.error.detail;
    EXPECT_EQ(dead.error.code, "unresponsive");
    EXPECT_FALSE(dead.terminal);
}

TEST(Supervision, NamesAStallAStall) {
    const TimePoint now{std::chrono::hours{1}};
    Running running{.target = {}, .generation = {1}, .loaded = {}, .unused = {}, .broken = {}};
    running.start_limit = seconds{120};
    const Failure silent = not_ready_in_time(running, now);
    EXPECT_EQ(silent.error.code, "start_timeout");
    EXPECT_NE(silent.error.detail.find("120 s"), std::string::npos) << silent.error.detail;
    running.progressed_at = now - seconds{60};
    EXPECT_EQ(
        not_ready_in_time(running, now).error.detail, "Loading stopped: no progress for 60 s."
    );
    running.progress = 0.6;
    const Failure stalled = not_ready_in_time(running, now);
    EXPECT_EQ(stalled.error.code, "stalled");
    EXPECT_EQ(stalled.error.detail, "Loading stopped at 60 %: no progress for 60 s.");
    EXPECT_FALSE(stalled.error.remedy.empty());
}

TEST(Supervision, FindsTheLineThatTellsOfLoading) {
    const std::vector<std::string> fragments{"load_tensors", "Loading safetensors"};

    struct Row {
        std::string_view log;
        std::string_view line;
    };

    const Row rows[] = {
        {"", ""},
        {"\n", ""},
        {"GET /health\n", ""},
        {"load_tensors: 10 %\nGET /health\n", "load_tensors: 10 %"},
        {"load_tensors: 10 %\nload_tensors: 20 %", "load_tensors: 20 %"},
        {"load_tensors: 10 %\n.......", "......."},
        {"load_tensors: 10 %\n.......\nGET /health\n", "load_tensors: 10 %"},
        {"Loading safetensors 10%\rLoading safetensors 20%\r", "Loading safetensors 20%"},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(loading_line(row.log, fragments), row.line) << row.log;
    }
    EXPECT_EQ(loading_line("load_tensors ...", {}), "");
}

TEST(Supervision, ReadsAShareWhereOneIsTold) {
    EXPECT_EQ(share_in("load_tensors: 60 % of 4 GiB"), 0.6);
    EXPECT_EQ(share_in("Loading safetensors checkpoint shards:  25% Completed"), 0.25);
    EXPECT_EQ(share_in("12.5%"), 0.125);
    EXPECT_EQ(share_in("load_tensors"), std::nullopt);
    EXPECT_EQ(share_in("%"), std::nullopt);
    EXPECT_EQ(share_in("a %"), std::nullopt);
    EXPECT_EQ(share_in("1000 %"), std::nullopt);
    EXPECT_EQ(share_in("1.2.3 %"), std::nullopt);
}

TEST(Supervision, LooksForUseOftenEnoughToStopInTime) {
    EXPECT_EQ(idle_look_for(seconds{4}), seconds{1});
    EXPECT_EQ(idle_look_for(seconds{80}), seconds{10});
    EXPECT_EQ(idle_look_for(std::chrono::hours{1}), seconds{30});
}

}  // namespace
}  // namespace nova::lifecycle

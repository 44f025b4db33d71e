#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "conform/report.hpp"

namespace nova::conform {
namespace {

const Check* check_called(std::string_view id) {
    for (const Check& check : all_checks()) {
        if (check.id == id) {
            return &check;
        }
    }
    return nullptr;
}

Report report_of(Verdict done) {
    return {
        .url = "127.0.0.1:1",
        .model = "tiny",
        .dialects = {Dialect::openai},
        .rows =
            {{.check = check_called("stream.done"), .verdict = std::move(done)},
             {.check = check_called("stream.role"), .verdict = passed()},
             {.check = check_called("embed.order"), .verdict = cannot_tell("it makes none")}}
    };
}

TEST(Report, CountsAndSaysWhatWasSeen) {
    const Report report = report_of(failed("twice", "once"));
    EXPECT_EQ(summary_of(report), "1 pass, 1 fail (1 must), 1 cannot tell");
    const std::string line = line_of(report.rows[0]);
    EXPECT_TRUE(line.starts_with("FAIL  stream.done  (must; traps 10, 11)\n")) << line;
    EXPECT_NE(line.find("observed: twice"), std::string::npos);
    EXPECT_NE(line.find("expected: once"), std::string::npos);
    EXPECT_EQ(line_of(report.rows[1]), "pass  stream.role");
    EXPECT_NE(line_of(report.rows[2]).find("it makes none"), std::string::npos);
}

TEST(Report, ColoursTheFirstWordOnly) {
    const Report report = report_of(passed());
    const std::string line = line_of(report.rows[0]);
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
    EXPECT_EQ(coloured(report.rows[0], line), "\x1b[32mpass \x1b[0m stream.done");
}

TEST(Report, IsAnObjectForScripts) {
    const Json json = json_of(report_of(failed("twice", "once")));
    EXPECT_EQ(json["must_failed"], 1);
    EXPECT_EQ(json["unknown"], 1);
    EXPECT_EQ(json["dialects"], Json::array({"openai"}));
    EXPECT_EQ(json["checks"][0]["id"], "stream.done");
    EXPECT_EQ(json["checks"][0]["outcome"], "fail");
    EXPECT_EQ(json["checks"][0]["traps"], Json::array({10, 11}));
    EXPECT_EQ(json["checks"][0]["observed"], "twice");
}

TEST(Report, ComparesTwoEndpoints) {
    const Report one = report_of(failed("twice", "once"));
    Report other = report_of(passed());
    EXPECT_TRUE(differences(one, one).empty());
    auto found = differences(one, other);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].check->id, "stream.done");
    EXPECT_EQ(json_of(found)[0]["against_outcome"], "pass");
    EXPECT_NE(line_of(found[0]).find("against: pass"), std::string::npos);
    other.rows.clear();
    found = differences(one, other);
    ASSERT_EQ(found.size(), 2U) << "what was not asked there cannot be told";
    EXPECT_EQ(found[1].other.outcome, Outcome::unknown);
}

}  // namespace
}  // namespace nova::conform

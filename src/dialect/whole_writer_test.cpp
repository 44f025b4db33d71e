// Answers that are collected before they are written.
#include <gtest/gtest.h>

#include "dialect/whole_writer.hpp"

namespace nova::dialect {
namespace {

std::string body_of(const AnswerIdentity& identity, const WholeAnswer& answer) {
    return identity.model + " " + identity.id + ": " + answer.text;
}

std::string refusal_of(const Error& error) {
    return "refused: " + error.message;
}

std::unique_ptr<AnswerWriter> writer() {
    return whole_writer({.id = "own", .model = "m"}, body_of, refusal_of);
}

TEST(WholeWriter, SaysNothingBeforeTheEnd) {
    const auto answer = writer();
    std::string out;
    answer->write(TextDelta{"Gr"}, out);
    answer->write(TextDelta{"üße"}, out);
    EXPECT_EQ(out, "");
    answer->end(out);
    EXPECT_EQ(out, "m own: Grüße");
    EXPECT_EQ(answer->content_type(), "application/json");
}

TEST(WholeWriter, HasTheIdTheUpstreamGave) {
    const auto answer = writer();
    std::string out;
    answer->write(Begun{.id = "theirs", .model = {}, .created = 0}, out);
    answer->end(out);
    EXPECT_EQ(out, "m theirs: ");
}

TEST(WholeWriter, AFailureIsTheWholeBody) {
    const auto answer = writer();
    std::string out;
    answer->write(TextDelta{"Gr"}, out);
    answer->write(Failed{Error{.code = ErrorCode::internal, .message = "broken"}}, out);
    answer->end(out);
    EXPECT_EQ(out, "refused: broken");
}

}  // namespace
}  // namespace nova::dialect

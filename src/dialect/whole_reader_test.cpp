// Answers that are collected before they are read.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/dialect_probe.hpp"
#include "dialect/whole_reader.hpp"

namespace nova::dialect {
namespace {

void take_model(const Tree& object, std::vector<ChatEvent>& out) {
    out.emplace_back(Begun{.id = {}, .model = text_of(member(object, "model")), .created = 0});
}

TEST(WholeReader, IsReadWhenAllOfItIsThere) {
    const auto reader = whole_reader(take_model);
    EXPECT_EQ(in_words(events_of(*reader, R"({"model":"m"})", 3)), "begun(m)");
}

TEST(WholeReader, ThatIsNoObjectHasFailed) {
    for (const std::string_view body : {"", "<html>", "[1]", R"({"model":)"}) {
        const auto reader = whole_reader(take_model);
        EXPECT_EQ(in_words(events_of(*reader, body)), "failed(upstream_broken_answer)") << body;
    }
}

}  // namespace
}  // namespace nova::dialect

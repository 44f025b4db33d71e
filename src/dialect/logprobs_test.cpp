#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "dialect/logprobs.hpp"

namespace nova::dialect {
namespace {

Tree tree(std::string_view text) {
    return Tree::parse(text);
}

TEST(Logprobs, EveryMemberThatOpenAisClientsWantIsThere) {
    EXPECT_EQ(
        logprobs_from(
            tree(R"([{"token":"a","logprob":-0.5,"top_logprobs":[{"token":"b","logprob":-1}]},)"
                 R"({"token":"c","logprob":"x","bytes":[99],"more":1},{}])")
        ),
        R"([{"token":"a","logprob":-0.5,"bytes":null,"top_logprobs":[{"token":"b","logprob":-1,)"
        R"("bytes":null}]},{"token":"c","logprob":null,"bytes":[99],"top_logprobs":[]},)"
        R"({"token":"","logprob":null,"bytes":null,"top_logprobs":[]}])"
    );
    for (const char* nothing : {"[]", "null", "{}", "1"}) {
        EXPECT_EQ(logprobs_from(tree(nothing)), "") << nothing;
        EXPECT_EQ(logprobs_from_text(tree(nothing)), "") << nothing;
    }
}

TEST(Logprobs, OfCompletionsBothWays) {
    const Tree text = tree(
        R"({"tokens":["ab","c"],"token_logprobs":[-0.5,-2],"top_logprobs":[{"ab":-0.5,"x":-1},{}],)"
        R"("text_offset":[0,2]})"
    );
    const RawJson list = logprobs_from_text(text);
    EXPECT_EQ(text_logprobs(tree(list)), text) << list;
    EXPECT_EQ(logprobs_list({list, list}).size(), 4U);
    EXPECT_EQ(text_logprobs(Tree::array())["tokens"], Tree::array());
}

TEST(Logprobs, ListsOfDifferentLengthsAreNoReasonToFail) {
    const RawJson list =
        logprobs_from_text(tree(R"({"tokens":["a","b"],"token_logprobs":[-1],"top_logprobs":null})")
        );
    EXPECT_EQ(text_logprobs(tree(list))["token_logprobs"], tree("[-1,null]"));
}

}  // namespace
}  // namespace nova::dialect

#include <gtest/gtest.h>

#include "core/random.hpp"
#include "net/sealed_box.hpp"

namespace nova::net {
namespace {

SealedBox box() {
    return *SealedBox::from_hex(Secret{random_hex(32)});
}

TEST(SealedBox, GivesBackWhatWasPutIn) {
    const SealedBox own = box();
    for (const std::string& text :
         {std::string{"sk-canary-1234"}, std::string{}, std::string(5000, 'x'),
          std::string{"\0\xff\n", 3}}) {
        const std::string sealed = own.seal(Secret{text}, "provider/openai");
        const auto opened = own.open(sealed, "provider/openai");
        ASSERT_TRUE(opened);
        EXPECT_EQ(opened->reveal(), text);
    }
}

TEST(SealedBox, ShowsNothingAndNeverTheSameTwice) {
    const SealedBox own = box();
    const std::string first = own.seal(Secret{"sk-canary-1234"}, "p");
    EXPECT_EQ(first.find("canary"), std::string::npos);
    EXPECT_NE(first, own.seal(Secret{"sk-canary-1234"}, "p"));
}

TEST(SealedBox, StaysShutForAnotherKeyAnotherLabelAndChangedBytes) {
    const SealedBox own = box();
    const std::string sealed = own.seal(Secret{"sk-canary-1234"}, "provider/openai");
    EXPECT_FALSE(box().open(sealed, "provider/openai"));
    EXPECT_FALSE(own.open(sealed, "provider/groq"));
    for (std::size_t i = 0; i < sealed.size(); ++i) {
        std::string changed = sealed;
        changed[i] = changed[i] == '0' ? '1' : '0';
        EXPECT_FALSE(own.open(changed, "provider/openai")) << i;
    }
    for (const std::string bad : {"", "v1.", "v1.00", "v2.00", "v1.zz"}) {
        EXPECT_EQ(own.open(bad, "p").error().code, ErrorCode::corrupt) << bad;
    }
    EXPECT_FALSE(own.open(sealed.substr(0, sealed.size() - 2), "provider/openai"));
}

TEST(SealedBox, TakesOnlyAWholeKey) {
    EXPECT_FALSE(SealedBox::from_hex(Secret{"abc"}));
    EXPECT_FALSE(SealedBox::from_hex(Secret{random_hex(31)}));
    EXPECT_FALSE(SealedBox::from_hex(Secret{std::string(64, 'g')}));
}

}  // namespace
}  // namespace nova::net

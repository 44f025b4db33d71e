// Known answers of FIPS 180-4.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "net/sha256.hpp"

namespace nova::net {
namespace {

std::string of(std::string_view text, std::size_t step) {
    Sha256 hash;
    for (std::size_t i = 0; i < text.size(); i += step) {
        hash.update(text.substr(i, step));
    }
    return hash.finish();
}

TEST(Sha256, GivesTheKnownAnswersHoweverItIsFed) {
    const std::string million(1'000'000, 'a');
    for (const std::size_t step : {std::size_t{1}, std::size_t{63}, std::size_t{1000}}) {
        EXPECT_EQ(of("", step), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        EXPECT_EQ(
            of("abc", step), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        EXPECT_EQ(
            of(million, step), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
        );
    }
}

TEST(Sha256, AtOnceGivesTheSame) {
    for (const std::string text : {"", "abc", "nova_0123456789ab_00ff"}) {
        std::string hex;
        for (const std::uint8_t byte : sha256_of(text)) {
            hex += fmt::format("{:02x}", byte);
        }
        EXPECT_EQ(hex, of(text, 1)) << text;
    }
}

}  // namespace
}  // namespace nova::net

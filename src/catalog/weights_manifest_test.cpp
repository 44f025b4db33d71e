#include <fstream>

#include <gtest/gtest.h>

#include "catalog/weights_manifest.hpp"
#include "core/random.hpp"

namespace nova::catalog {
namespace {

namespace fs = std::filesystem;

class WeightsManifestTest : public testing::Test {
protected:
    WeightsManifestTest() : folder_{fs::temp_directory_path() / ("nova-mani-" + random_hex(6))} {
        fs::create_directories(folder_ / "Q4");
        std::ofstream{folder_ / "Q4" / "m.gguf"} << "0123456789";
    }

    ~WeightsManifestTest() override {
        std::error_code code;
        fs::remove_all(folder_, code);
    }

    WeightsManifest manifest() const {
        return {
            .source = "https://hub/o/r",
            .asked = {"quant:", "quant:q4_k_m"},
            .files = {{.path = "Q4/m.gguf", .size = 10, .sha256 = "ab", .etag = "\"e\""}}
        };
    }

    fs::path folder_;
};

TEST_F(WeightsManifestTest, IsFoundByEveryWishThatLedToIt) {
    ASSERT_TRUE(save_manifest(folder_, manifest()));
    EXPECT_EQ(find_manifest(folder_, "quant:"), manifest());
    EXPECT_EQ(load_manifest(folder_, "Q4/m.gguf"), manifest());
    EXPECT_EQ(total_size(manifest()), Bytes{10});
    EXPECT_FALSE(find_manifest(folder_, "quant:q8_0"));
    EXPECT_FALSE(find_manifest(folder_ / "absent", "quant:"));
}

TEST_F(WeightsManifestTest, CountsForNothingWhenItsFilesAreNotAsItSays) {
    ASSERT_TRUE(save_manifest(folder_, manifest()));
    std::ofstream{folder_ / "Q4" / "m.gguf"} << "short";
    EXPECT_FALSE(find_manifest(folder_, "quant:"));
    std::ofstream{manifest_path(folder_, "Q4/m.gguf")} << "{\"files\":3}";
    EXPECT_FALSE(load_manifest(folder_, "Q4/m.gguf"));
}

TEST_F(WeightsManifestTest, NotesOfPartsComeBackAsTheyWere) {
    const PartNote note{.source = "u", .sha256 = "ab", .size = 7, .etag = "\"x\""};
    ASSERT_TRUE(save_note(folder_ / "n", note));
    EXPECT_EQ(load_note(folder_ / "n"), note);
    EXPECT_FALSE(load_note(folder_ / "none"));
}

}  // namespace
}  // namespace nova::catalog

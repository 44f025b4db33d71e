// TOML as flat rows.
#include <algorithm>
#include <fstream>

#include <gtest/gtest.h>

#include "config/toml_file.hpp"
#include "core/random.hpp"

namespace nova::config {
namespace {

TEST(TomlFile, FlattensTablesAndLists) {
    const auto path = std::filesystem::temp_directory_path() / ("nova-toml-" + random_hex(8));
    std::ofstream{path} << "a = 1\nb = \"x\"\nc = [\"p\", \"q\"]\n[t]\nd = true\n[t.u]\ne = -5\n";
    const auto rows = read_toml_file(path);
    std::filesystem::remove(path);
    ASSERT_TRUE(rows) << rows.error().message;
    const auto text = [&](std::string_view key) {
        const auto row = std::ranges::find(*rows, key, &TomlRow::key);
        return row == rows->end() ? std::string{"missing"} : row->text;
    };
    EXPECT_EQ(rows->size(), 5U);
    EXPECT_EQ(text("a"), "1");
    EXPECT_EQ(text("b"), "x");
    EXPECT_EQ(text("c"), "p,q");
    EXPECT_EQ(text("t.d"), "true");
    EXPECT_EQ(text("t.u.e"), "-5");
}

TEST(TomlFile, SaysWhereAMistakeIs) {
    const auto path = std::filesystem::temp_directory_path() / ("nova-toml-" + random_hex(8));
    std::ofstream{path} << "a = 1\nb = = 2\n";
    const auto rows = read_toml_file(path);
    std::filesystem::remove(path);
    ASSERT_FALSE(rows);
    EXPECT_NE(rows.error().message.find("line 2"), std::string::npos) << rows.error().message;
}

}  // namespace
}  // namespace nova::config

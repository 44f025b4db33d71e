// Every known failure against every excerpt: each finds its own and nothing else.
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "core/checkout.hpp"
#include "lifecycle/failure_catalog.hpp"

namespace nova::lifecycle {
namespace {

namespace fs = std::filesystem;

struct Excerpt {
    std::string engine;
    std::string ended;
    std::string log;

    FailureEvidence evidence() const {
        FailureEvidence found{.log = log, .engine = engine};
        const std::string kind = ended.substr(0, ended.find(' '));
        int number = 0;
        const std::string digits = ended.substr(ended.find(' ') + 1);
        std::from_chars(digits.data(), digits.data() + digits.size(), number);
        if (kind == "code") {
            found.exit_code = number;
        } else if (kind == "signal") {
            found.exit_signal = number;
        } else if (kind == "oom") {
            found.exit_signal = 9;
            found.out_of_memory = true;
        }
        return found;
    }
};

Excerpt read_excerpt(const fs::path& path) {
    std::ifstream in{path, std::ios::binary};
    Excerpt excerpt;
    std::string word;
    in >> word >> excerpt.engine >> word >> std::ws;
    std::getline(in, excerpt.ended);
    std::getline(in, word);
    std::ostringstream rest;
    rest << in.rdbuf();
    excerpt.log = rest.str();
    return excerpt;
}

std::map<std::string, Excerpt> excerpts(const char* folder) {
    std::map<std::string, Excerpt> found;
    for (const auto& entry :
         fs::directory_iterator{checkout() / "src/lifecycle/testdata" / folder}) {
        found.emplace(entry.path().stem().string(), read_excerpt(entry.path()));
    }
    return found;
}

Result<FailureCatalog> catalog_of(std::string_view members) {
    return FailureCatalog::parse(
        fmt::format(
            R"({{"failures": [{{"id": "x", "code": "x", "engines": [], "cause": "It broke.",
            "remedy": "Repair it.", "retry_helps": true, "confidence": "high",
            "source": "documented", {}}}]}})",
            members
        ),
        "test.json"
    );
}

TEST(FailureCatalog, EachSignatureHitsItsOwnExcerptAndNoOther) {
    const auto rows = excerpts("failures");
    const auto& failures = FailureCatalog::builtin().all();
    std::size_t diagonal = 0;
    std::size_t elsewhere = 0;
    fmt::print("excerpts by signatures; a number is the signature's, in the order of the file\n");
    for (const auto& [id, excerpt] : rows) {
        std::string hits;
        for (std::size_t i = 0; i < failures.size(); ++i) {
            if (!match_failure(failures[i], excerpt.evidence())) {
                continue;
            }
            const bool own = failures[i].id == id;
            diagonal += own ? 1U : 0U;
            elsewhere += own ? 0U : 1U;
            hits += fmt::format(" {}", own ? fmt::to_string(i) : "ALSO " + failures[i].id);
            EXPECT_TRUE(own) << failures[i].id << " hits the excerpt of " << id;
        }
        fmt::print("{:<40}{}\n", id, hits.empty() ? " NOTHING" : hits);
        const auto best = FailureCatalog::builtin().find(excerpt.evidence());
        ASSERT_TRUE(best) << id;
        EXPECT_EQ(best->failure->id, id);
    }
    fmt::print(
        "{} signatures, {} excerpts: {} on the diagonal, {} elsewhere\n", failures.size(),
        rows.size(), diagonal, elsewhere
    );
    EXPECT_EQ(diagonal, failures.size()) << "a signature without an excerpt proves nothing";
    EXPECT_EQ(rows.size(), failures.size());
}

TEST(FailureCatalog, NoSignatureHitsTheLogOfAHealthyEngine) {
    const auto rows = excerpts("healthy");
    ASSERT_GE(rows.size(), 4U);
    for (const auto& [name, excerpt] : rows) {
        for (const std::string_view engine : {std::string_view{excerpt.engine}, {}}) {
            FailureEvidence evidence = excerpt.evidence();
            evidence.engine = engine;
            const auto found = FailureCatalog::builtin().find(evidence);
            EXPECT_FALSE(found) << name << " is taken for " << (found ? found->failure->id : "");
        }
    }
}

TEST(FailureCatalog, AtLeastTwentyWereObservedAndTwentyFiveAreDocumented) {
    const auto failures = FailureCatalog::builtin().all();
    const auto observed =
        std::ranges::count(failures, FailureSource::observed, &KnownFailure::source);
    EXPECT_GE(observed, 20);
    EXPECT_GE(static_cast<std::ptrdiff_t>(failures.size()) - observed, 25);
}

TEST(FailureCatalog, TheMoreSpecificWinsAndAmongEqualsTheLast) {
    const auto catalog = FailureCatalog::parse(
        R"({"failures": [
        {"id": "one", "code": "c", "engines": [], "signature": {"line": ["alpha"]},
         "cause": "One.", "remedy": "Do one.", "retry_helps": true, "confidence": "high",
         "source": "documented"},
        {"id": "two", "code": "c", "engines": [], "signature": {"line": ["beta"]},
         "cause": "Two.", "remedy": "Do two.", "retry_helps": true, "confidence": "high",
         "source": "documented"},
        {"id": "both", "code": "c", "engines": [], "signature": {"line": ["alpha", "gamma"]},
         "cause": "Both.", "remedy": "Do both.", "retry_helps": true, "confidence": "high",
         "source": "documented"},
        {"id": "kernel", "code": "c", "engines": [], "signature": {"out_of_memory": true},
         "cause": "Memory.", "remedy": "Do it.", "retry_helps": true, "confidence": "high",
         "source": "documented"}]})",
        "test.json"
    );
    ASSERT_TRUE(catalog) << catalog.error().message;
    const auto id = [&](std::string_view log, bool oom = false) {
        const auto found = catalog->find({.log = log, .out_of_memory = oom});
        return found ? found->failure->id : std::string{};
    };
    EXPECT_EQ(id("alpha\nbeta\n"), "two");
    EXPECT_EQ(id("beta\nalpha\n"), "one");
    EXPECT_EQ(id("alpha gamma\nbeta\n"), "both");
    EXPECT_EQ(id("alpha\ngamma\n"), "one") << "line: in one line";
    EXPECT_EQ(id("gamma alpha\n"), "one") << "in order";
    EXPECT_EQ(id("alpha gamma\nbeta\n", true), "kernel");
    EXPECT_EQ(id("nothing"), "");
    EXPECT_EQ(id(""), "");
}

TEST(FailureCatalog, TakesTheWordBehindAFragmentAsItWasWritten) {
    const auto catalog = catalog_of(R"("signature": {"line": ["no flag {value}", "known"]})");
    ASSERT_TRUE(catalog) << catalog.error().message;
    for (const auto& [log, value] : std::map<std::string, std::string>{
             {"E: No flag --Warp known\n", "--Warp"},
             {"no flag '--warp', known", "--warp"},
             {"no flag \"a b\" known", "a"},
             {"no flag: known\nno flag x: known", "x"}
         }) {
        const auto found = catalog->find({.log = log});
        ASSERT_TRUE(found) << log;
        EXPECT_EQ(found->value, value) << log;
    }
}

TEST(FailureCatalog, AnEngineThatIsNotMeantIsNotExplained) {
    const auto catalog = FailureCatalog::builtin();
    EXPECT_TRUE(catalog.find({.log = "error: invalid argument: --x", .engine = "llamacpp"}));
    EXPECT_FALSE(catalog.find({.log = "error: invalid argument: --x", .engine = "ollama"}));
    EXPECT_TRUE(catalog.find({.log = "error: invalid argument: --x"}));
    EXPECT_TRUE(catalog.find({.log = "error: invalid argument: --x", .engine = "my-llama"}));
}

TEST(FailureCatalog, TheExcerptIsTheLinesAroundTheOneThatMatters) {
    std::string log;
    for (int i = 0; i < 100; ++i) {
        log += fmt::format("line {}\n", i);
    }
    const std::string middle = excerpt_around(log, log.find("line 50"));
    EXPECT_TRUE(middle.starts_with("line 42\n")) << middle;
    EXPECT_TRUE(middle.ends_with("line 61")) << middle;
    const std::string end = excerpt_around(log, log.size());
    EXPECT_TRUE(end.starts_with("line 80\n")) << end;
    EXPECT_TRUE(end.ends_with("line 99")) << end;
    EXPECT_EQ(excerpt_around(log, 0).substr(0, 6), "line 0");
    EXPECT_EQ(excerpt_around("", 0), "");
    EXPECT_EQ(excerpt_around("\n\n", 1), "");
    EXPECT_EQ(excerpt_around("alone", 99), "alone");
}

TEST(FailureCatalog, RefusesWhatItsReaderWouldMisunderstand) {
    const std::pair<std::string_view, std::string_view> rows[] = {
        {R"("signature": {})", "required"},
        {R"("signature": {"line": ["a"], "lines": ["b"]})", "exclude"},
        {R"("signature": {"line": [""]})", "not empty"},
        {R"("signature": {"line": ["{value}"]})", "plain text"},
        {R"("signature": {"regex": "a.*"})", "not a known key"},
        {R"("signature": {"exit_signal": 300})", "0 to 255"},
        {R"("signature": {"line": ["a"]}, "note": "x")", "not a known key"},
        {R"("signature": {"line": ["a"]}, "cause": "No full stop")", "one sentence"},
        {R"("signature": {"line": ["a"]}, "remedy": "Two. Sentences.")", "one sentence"},
        {R"("signature": {"line": ["a"]}, "remedy": "Use {colour}.")", "does not know"},
        {R"("signature": {"line": ["a"]}, "remedy": "Use {value}.")", "no fragment"},
        {R"("signature": {"line": ["a"]}, "confidence": "sure")", "high, medium or low"},
        {R"("signature": {"line": ["a"]}, "source": "observed")", "observed_with"},
        {R"("signature": {"line": ["a"]}, "confidence": "low", "retry_helps": false)", "no guess"},
        {R"("signature": {"line": ["a"]}, "id": "A b")", "lower case"},
        {R"("code": "x")", "signature"},
    };
    for (const auto& [members, words] : rows) {
        const auto catalog = catalog_of(members);
        ASSERT_FALSE(catalog) << members;
        EXPECT_NE(catalog.error().message.find(words), std::string::npos)
            << members << ": " << catalog.error().message;
    }
    EXPECT_FALSE(FailureCatalog::parse("[]", "test.json"));
    EXPECT_FALSE(FailureCatalog::parse(R"({"failures": [7]})", "test.json"));
    EXPECT_FALSE(FailureCatalog::parse("{", "test.json"));
}

}  // namespace
}  // namespace nova::lifecycle

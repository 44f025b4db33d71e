// Downloads against a hub on loopback, its storage host beside it, and their faults.
#include <cerrno>
#include <fstream>
#include <iterator>

#include "catalog/fake_hub.hpp"
#include "catalog/gguf_builder.hpp"
#include "catalog/hub_models.hpp"
#include "core/random.hpp"

namespace nova::catalog {
namespace {

namespace fs = std::filesystem;

using testing::FakeHub;
using testing::Fault;

constexpr std::chrono::seconds kLong{30};

class HubModelsTest : public ::testing::Test {
protected:
    HubModelsTest()
        : folder_{fs::temp_directory_path() / ("nova-hub-" + random_hex(6))}, hub_{io_} {
        limits_.attempts = 3;
        limits_.pause = Milliseconds{1};
        limits_.stall = kLong;
        limits_.reserve = {};
    }

    ~HubModelsTest() override {
        std::error_code code;
        fs::remove_all(folder_, code);
    }

    template <class Body>
    void run(Body body) {
        net::testing::run_on(io_, [&]() -> Task<void> {
            co_await body();
            co_await hub_.stop();
        });
    }

    Task<Result<LocalModel>> ensure(HubWish wish = HubGguf{"o/r", "Q4_K_M"}) {
        WebAccess web{clock_, nullptr, {.base = hub_.base(), .token = Secret{token_}}};
        HubModels models{clock_, web, folder_, limits_};
        co_return co_await models.ensure(std::move(wish), [this](const DownloadProgress& p) {
            progress_.push_back(p);
        });
    }

    static std::string content(const fs::path& path) {
        std::ifstream in{path, std::ios::binary};
        return {std::istreambuf_iterator<char>{in}, {}};
    }

    static constexpr const char* kFirst = "M-Q8_0-00001-of-00002.gguf";
    static constexpr const char* kSecond = "M-Q8_0-00002-of-00002.gguf";

    // The list of a model in two parts, each of the hub's content; hash: of that as well.
    std::string two_parts(std::string_view hash) const {
        const auto entry = [&](const char* path) {
            return fmt::format(
                R"({{"type":"file","path":"{}","size":{},"lfs":{{"oid":"{}"}}}})", path,
                hub_.content.size(), hash
            );
        };
        return fmt::format("[{},{}]", entry(kFirst), entry(kSecond));
    }

    std::string two_parts() const { return two_parts(testing::sha256_of(hub_.content)); }

    // A whole GGUF, for plain addresses: nobody but the file says whether it is.
    static std::string gguf() {
        GgufBuilder builder = small_llama();
        builder.tensor({.name = "output.weight", .shape = {64, 1000}, .type = 0, .offset = 416});
        builder.data_bytes += 64U * 1000U * 4U;
        return builder.build();
    }

    GgufUrl plain() const {
        return {fmt::format("http://{}/x/m.gguf?v=1", hub_.storage_at.text())};
    }

    // As large as before, and another one.
    void revise() {
        hub_.content.replace(hub_.content.size() - 8, 8, "revision");
        hub_.etag = "\"two\"";
    }

    fs::path part() const { return folder_ / "o/r/M-Q4_K_M.gguf.part"; }

    asio::io_context io_;
    SystemClock clock_;
    fs::path folder_;
    FakeHub hub_;
    DownloadLimits limits_;
    std::string token_;
    std::vector<DownloadProgress> progress_;
};

TEST_F(HubModelsTest, FetchesOnceAndNeedsNoNetworkAfterwards) {
    run([&]() -> Task<void> {
        token_ = "hf_secret_token";
        const auto model = co_await ensure();
        EXPECT_TRUE(model) << (model ? "" : model.error().message);
        if (!model) {
            co_return;
        }
        EXPECT_EQ(model->path, folder_ / "o/r/M-Q4_K_M.gguf");
        EXPECT_EQ(content(model->path), hub_.content);
        EXPECT_FALSE(fs::exists(part()));
        EXPECT_EQ(progress_.back().done, hub_.content.size());
        EXPECT_EQ(progress_.back().total, hub_.content.size());
        // The token went to the hub and not to where it redirected.
        EXPECT_EQ(hub_.hub_seen.at(1).authorization, "Bearer hf_secret_token");
        EXPECT_EQ(hub_.storage_seen.at(0).authorization, "");
        EXPECT_EQ(hub_.storage_seen.at(0).path, "/blob?sig=x");
        const std::size_t asked = hub_.hub_seen.size();
        EXPECT_TRUE(co_await ensure());
        EXPECT_EQ(hub_.hub_seen.size(), asked);
        // Another spelling of it costs a list and no transfer.
        EXPECT_TRUE(co_await ensure(HubGguf{"o/r", ""}));
        EXPECT_TRUE(co_await ensure(HubFile{"o/r", "main", "M-Q4_K_M.gguf"}));
        EXPECT_EQ(hub_.storage_seen.size(), 1U);
    });
}

TEST_F(HubModelsTest, GoesOnWhereTheConnectionWasCut) {
    run([&]() -> Task<void> {
        const std::uint64_t cut = hub_.content.size() * 63 / 100;
        hub_.faults = {{.cut_at = cut}};
        const auto model = co_await ensure();
        EXPECT_TRUE(model) << (model ? "" : model.error().message);
        EXPECT_EQ(hub_.storage_seen.size(), 2U);
        EXPECT_EQ(hub_.storage_seen.at(1).range, fmt::format("bytes={}-", cut));
        EXPECT_EQ(hub_.storage_seen.at(1).if_range, "\"one\"");
        EXPECT_EQ(content(folder_ / "o/r/M-Q4_K_M.gguf"), hub_.content);
    });
}

TEST_F(HubModelsTest, GoesOnWithThePartOfAnEarlierRunAndChecksAllOfIt) {
    run([&]() -> Task<void> {
        limits_.attempts = 1;
        hub_.faults = {{.cut_at = 100'000}};
        const auto first = co_await ensure();
        EXPECT_FALSE(first);
        EXPECT_TRUE(first.error().remedy.contains("kept")) << first.error().remedy;
        EXPECT_EQ(fs::file_size(part()), 100'000U);
        EXPECT_TRUE(co_await ensure());
        EXPECT_EQ(hub_.storage_seen.at(1).range, "bytes=100000-");
        EXPECT_EQ(content(folder_ / "o/r/M-Q4_K_M.gguf"), hub_.content);
    });
}

TEST_F(HubModelsTest, FetchesAnewWhenThePartWasDamagedMeanwhile) {
    run([&]() -> Task<void> {
        limits_.attempts = 1;
        hub_.faults = {{.cut_at = 100'000}};
        EXPECT_FALSE(co_await ensure());
        std::fstream file{part(), std::ios::in | std::ios::out | std::ios::binary};
        file.seekp(5000);
        file << "rotten";
        file.close();
        const auto model = co_await ensure();
        EXPECT_TRUE(model) << (model ? "" : model.error().message);
        EXPECT_EQ(content(folder_ / "o/r/M-Q4_K_M.gguf"), hub_.content);
        EXPECT_EQ(hub_.storage_seen.size(), 3U);
    });
}

TEST_F(HubModelsTest, StartsOverWhenTheServerCannotOrMayNotGoOn) {
    const Fault cut{.cut_at = 100'000};
    const Fault cut_again{.cut_at = 50'000, .ignore_range = true};
    const Fault other{.other_range = true};
    run([&]() -> Task<void> {
        for (const Fault& second : {cut_again, other, Fault{.status = 416}}) {
            hub_.faults = {cut, second};
            hub_.storage_seen.clear();
            const auto model = co_await ensure();
            EXPECT_TRUE(model) << (model ? "" : model.error().message);
            EXPECT_EQ(hub_.storage_seen.size(), 3U);
            EXPECT_EQ(content(folder_ / "o/r/M-Q4_K_M.gguf"), hub_.content);
            fs::remove_all(folder_);
        }
        // The file was replaced between two answers: the ETag tells.
        hub_.faults = {cut};
        hub_.before_body = [&] { hub_.etag = "\"two\""; };
        hub_.storage_seen.clear();
        EXPECT_TRUE(co_await ensure());
        EXPECT_EQ(hub_.storage_seen.at(1).if_range, "\"one\"");
        EXPECT_EQ(hub_.storage_seen.size(), 2U);
        EXPECT_EQ(content(folder_ / "o/r/M-Q4_K_M.gguf"), hub_.content);
    });
}

TEST_F(HubModelsTest, RefusesWhatIsNotWhatTheHubPromised) {
    run([&]() -> Task<void> {
        hub_.listed_hash = std::string(64, 'b');
        const auto hash = co_await ensure();
        EXPECT_FALSE(hash);
        EXPECT_EQ(hash.error().word, "model_file_damaged");
        EXPECT_TRUE(hash.error().message.contains("SHA-256")) << hash.error().message;
        EXPECT_FALSE(fs::exists(folder_ / "o/r/M-Q4_K_M.gguf"));
        EXPECT_EQ(hub_.storage_seen.size(), 1U);
        hub_.listed_hash.clear();
        hub_.listed_size = hub_.content.size() + 1;
        const auto size = co_await ensure();
        EXPECT_FALSE(size);
        EXPECT_EQ(size.error().word, "model_file_damaged");
        hub_.listed_size = 0;
        hub_.faults = {{.body = "<html>Sign in</html>", .type = "text/html; charset=utf-8"}};
        EXPECT_EQ((co_await ensure()).error().word, "model_file_not_gguf");
        hub_.faults = {
            {.body = std::string(hub_.content.size(), 'x'), .type = "application/octet-stream"}
        };
        EXPECT_EQ((co_await ensure()).error().word, "model_file_not_gguf");
        EXPECT_TRUE(co_await ensure());
    });
}

struct Row {
    int status;
    const char* error_code;
    const char* retry_after;
    ErrorCode code;
    std::size_t asked;  // times
};

TEST_F(HubModelsTest, ExplainsRefusalsAndTriesAgainWhereThatCanHelp) {
    run([&]() -> Task<void> {
        for (const Row& row :
             {Row{401, "GatedRepo", "", ErrorCode::forbidden, 1},
              Row{403, "", "", ErrorCode::forbidden, 1},
              Row{404, "EntryNotFound", "", ErrorCode::not_found, 1},
              Row{429, "", "0", ErrorCode::rate_limited, 3},
              Row{429, "", "3600", ErrorCode::rate_limited, 1},
              Row{500, "", "", ErrorCode::upstream_failed, 3},
              Row{503, "", "0", ErrorCode::upstream_failed, 3}}) {
            Fault fault{.status = row.status, .headers = {{"X-Error-Code", row.error_code}}};
            if (*row.retry_after != '\0') {
                fault.headers.emplace_back("Retry-After", row.retry_after);
            }
            hub_.faults = {fault, fault, fault};
            hub_.storage_seen.clear();
            const auto model = co_await ensure();
            EXPECT_FALSE(model) << row.status;
            EXPECT_EQ(model.error().code, row.code) << row.status;
            EXPECT_FALSE(model.error().remedy.empty()) << row.status;
            EXPECT_EQ(hub_.storage_seen.size(), row.asked) << row.status << row.retry_after;
        }
    });
}

TEST_F(HubModelsTest, ExplainsWhatTheListSays) {
    run([&]() -> Task<void> {
        hub_.list_status = 401;
        hub_.list_headers = {{"X-Error-Code", "RepoNotFound"}};
        EXPECT_EQ((co_await ensure()).error().code, ErrorCode::not_found);
        hub_.list_status = 200;
        hub_.list = "<!doctype html><html></html>";
        const std::size_t before = hub_.hub_seen.size();
        const auto page = co_await ensure();
        EXPECT_TRUE(page.error().message.contains("web page")) << page.error().message;
        EXPECT_EQ(hub_.hub_seen.size(), before + 1);
        hub_.list = "[]";
        EXPECT_EQ((co_await ensure()).error().code, ErrorCode::not_found);
        hub_.list.clear();
        EXPECT_EQ((co_await ensure(HubGguf{"o/r", "Q2_K"})).error().remedy, "There are: Q4_K_M.");
    });
}

TEST_F(HubModelsTest, FollowsNoRedirectInACircleOrIntoTheClear) {
    run([&]() -> Task<void> {
        for (const std::string& to :
             {std::string{"/o/r/resolve/main/M-Q4_K_M.gguf"},
              std::string{"http://storage.example.invalid/x"}, std::string{"ftp://x/y"}}) {
            hub_.redirect = to;
            const auto model = co_await ensure();
            EXPECT_FALSE(model) << to;
            EXPECT_EQ(model.error().word, "redirect_refused") << to << model.error().message;
        }
    });
    EXPECT_FALSE(parse_hub_url("http://mirror.example"));
    EXPECT_EQ(parse_hub_url("https://mirror.example/hf/")->target, "/hf");
}

ssize_t disk_of_100k(int fd, const void* bytes, std::size_t size) {
    struct Left {
        static bool room(int file) {
            const auto written = ::lseek(file, 0, SEEK_END);
            return written < 100'000;
        }
    };

    if (!Left::room(fd)) {
        errno = ENOSPC;
        return -1;
    }
    return write_to_disk(fd, bytes, std::min<std::size_t>(size, 10'000));
}

TEST_F(HubModelsTest, SaysThatTheDiskIsFullBeforeAndWhileItFills) {
    run([&]() -> Task<void> {
        limits_.write = &disk_of_100k;
        const auto full = co_await ensure();
        EXPECT_EQ(full.error().code, ErrorCode::exhausted) << full.error().message;
        EXPECT_EQ(hub_.storage_seen.size(), 1U);
        const std::uint64_t kept = fs::file_size(part());
        EXPECT_GE(kept, 100'000U);
        limits_.write = &write_to_disk;
        limits_.free_space = [](const fs::path&) -> Result<Bytes> { return Bytes{220'000}; };
        limits_.reserve = Bytes{50'000};
        const auto before = co_await ensure();
        EXPECT_EQ(before.error().code, ErrorCode::exhausted) << before.error().message;
        EXPECT_TRUE(before.error().remedy.contains("Make room")) << before.error().remedy;
        EXPECT_EQ(hub_.storage_seen.size(), 1U);
        limits_.reserve = Bytes{0};  // what is there already counts
        EXPECT_TRUE(co_await ensure());
        EXPECT_EQ(hub_.storage_seen.at(1).range, fmt::format("bytes={}-", kept));
    });
}

TEST_F(HubModelsTest, FindsAStallAndGoesOn) {
    run([&]() -> Task<void> {
        limits_.stall = std::chrono::seconds{1};
        hub_.faults = {{.stall_at = 200'000}};
        const auto model = co_await ensure();
        EXPECT_TRUE(model) << (model ? "" : model.error().message);
        EXPECT_EQ(hub_.storage_seen.at(1).range, "bytes=200000-");
        const bool told = std::ranges::any_of(progress_, [](const DownloadProgress& p) {
            return p.detail.contains("stalled");
        });
        EXPECT_TRUE(told);
    });
}

TEST_F(HubModelsTest, ACancelKeepsThePartAndAnotherAskerGoesOnWithIt) {
    run([&]() -> Task<void> {
        WebAccess web{clock_, nullptr, {.base = hub_.base(), .token = {}}};
        HubModels models{clock_, web, folder_, limits_};
        hub_.faults = {{.stall_at = 150'000}};
        TaskGroup first{io_.get_executor()};
        TaskGroup second{io_.get_executor()};
        std::vector<DownloadProgress> told;
        Result<LocalModel> model = fail(ErrorCode::internal, "not run");
        first.spawn("first", [](HubModels& all) -> Task<void> {
            ignore(co_await all.ensure(HubGguf{"o/r", ""}, [](auto&) {}), "it is cancelled");
        }(models));
        second.spawn("second", [](HubModels& all, auto& progress, auto& result) -> Task<void> {
            result = co_await all.ensure(HubGguf{"o/r", "Q4_K_M"}, [&](const DownloadProgress& p) {
                progress.push_back(p);
            });
        }(models, told, model));
        const auto shared = [&] {
            return std::ranges::any_of(told, [](const DownloadProgress& p) {
                return p.done >= 100'000;
            });
        };
        const Deadline deadline = Deadline::in(clock_, std::chrono::seconds{10});
        while (!shared() && !deadline.passed(clock_)) {
            co_await clock_.sleep_for(Milliseconds{5});
        }
        EXPECT_TRUE(shared());
        EXPECT_EQ(hub_.storage_seen.size(), 1U);  // one transfer for both
        first.cancel();
        co_await first.join();
        co_await second.join();
        EXPECT_TRUE(model) << (model ? "" : model.error().message);
        EXPECT_EQ(hub_.storage_seen.size(), 2U);
        EXPECT_EQ(hub_.storage_seen.at(1).range, "bytes=150000-");
        EXPECT_EQ(content(folder_ / "o/r/M-Q4_K_M.gguf"), hub_.content);
    });
}

TEST_F(HubModelsTest, FetchesAPlainAddressAndAllPartsOfACutModel) {
    run([&]() -> Task<void> {
        hub_.content = gguf();
        const auto url = co_await ensure(plain());
        EXPECT_TRUE(url) << (url ? "" : url.error().message);
        EXPECT_EQ(content(url->path), hub_.content);
        EXPECT_EQ(url->path.filename(), "m.gguf");
        EXPECT_TRUE(co_await ensure(plain()));
        EXPECT_EQ(hub_.storage_seen.size(), 1U);
        hub_.list = two_parts();
        const auto cut = co_await ensure(HubGguf{"o/r", "Q8_0"});
        EXPECT_TRUE(cut) << (cut ? "" : cut.error().message);
        EXPECT_EQ(cut->parts, 2U);
        EXPECT_EQ(cut->size.count, 2 * hub_.content.size());
        EXPECT_EQ(cut->path, folder_ / "o/r" / kFirst);
        EXPECT_EQ(hub_.storage_seen.size(), 3U);
    });
}

TEST_F(HubModelsTest, FetchesNoPartOfACutModelTwice) {
    run([&]() -> Task<void> {
        hub_.list = two_parts();
        hub_.faults = {Fault{}, Fault{.status = 404}};
        EXPECT_FALSE(co_await ensure(HubGguf{"o/r", "Q8_0"}));
        EXPECT_TRUE(fs::exists(folder_ / "o/r" / kFirst));
        // The first needs no room any more.
        limits_.free_space = [](const fs::path&) -> Result<Bytes> { return Bytes{400'000}; };
        const auto model = co_await ensure(HubGguf{"o/r", "Q8_0"});
        EXPECT_TRUE(model) << (model ? "" : model.error().message);
        EXPECT_EQ(hub_.storage_seen.size(), 3U);
        EXPECT_EQ(content(folder_ / "o/r" / kFirst), hub_.content);
        EXPECT_EQ(content(folder_ / "o/r" / kSecond), hub_.content);
        EXPECT_EQ(progress_.back().done, 2 * hub_.content.size());
        EXPECT_TRUE(co_await ensure(HubGguf{"o/r", "Q8_0"}));
        EXPECT_EQ(hub_.storage_seen.size(), 3U);
    });
}

TEST_F(HubModelsTest, TakesNoMixOfTwoRevisionsForAWholeModel) {
    run([&]() -> Task<void> {
        hub_.list = two_parts();
        EXPECT_TRUE(co_await ensure(HubGguf{"o/r", "Q8_0"}));
        revise();
        hub_.list = two_parts();
        hub_.faults = {Fault{.status = 404}};
        EXPECT_FALSE(co_await ensure(HubFile{"o/r", "v2", kFirst}));
        // Nothing was replaced yet: what is there needs no network.
        const std::size_t asked = hub_.hub_seen.size();
        EXPECT_TRUE(co_await ensure(HubGguf{"o/r", "Q8_0"}));
        EXPECT_EQ(hub_.hub_seen.size(), asked);
        hub_.faults = {Fault{}, Fault{.status = 404}};
        EXPECT_FALSE(co_await ensure(HubFile{"o/r", "v2", kFirst}));
        EXPECT_EQ(content(folder_ / "o/r" / kFirst), hub_.content);
        EXPECT_NE(content(folder_ / "o/r" / kSecond), hub_.content);
        EXPECT_TRUE(co_await ensure(HubGguf{"o/r", "Q8_0"}));
        EXPECT_EQ(content(folder_ / "o/r" / kFirst), hub_.content);
        EXPECT_EQ(content(folder_ / "o/r" / kSecond), hub_.content);
    });
}

TEST_F(HubModelsTest, AReplacedFileIsNotSpokenForByTheManifestOfTheOldOne) {
    run([&]() -> Task<void> {
        const fs::path file = folder_ / "o/r/M-Q4_K_M.gguf";
        EXPECT_TRUE(co_await ensure());
        revise();
        // After the file nothing more can be written.
        const fs::path blocked = file.string() + ".nova.json.new";
        fs::create_directories(blocked);
        EXPECT_FALSE(co_await ensure(HubFile{"o/r", "v2", "M-Q4_K_M.gguf"}));
        EXPECT_EQ(content(file), hub_.content);
        EXPECT_FALSE(fs::exists(file.string() + ".nova.json"));
        fs::remove(blocked);
        const std::size_t fetched = hub_.storage_seen.size();
        EXPECT_TRUE(co_await ensure());
        EXPECT_EQ(hub_.storage_seen.size(), fetched);
    });
}

TEST_F(HubModelsTest, FetchesAnewWhatNoHashSpeaksFor) {
    run([&]() -> Task<void> {
        const std::string other(hub_.content.size(), 'x');
        for (const auto& [list, there] :
             {std::pair{two_parts(), other}, std::pair{two_parts(""), hub_.content}}) {
            hub_.list = list;
            hub_.storage_seen.clear();
            fs::create_directories(folder_ / "o/r");
            std::ofstream{folder_ / "o/r" / kFirst} << there;
            const auto model = co_await ensure(HubGguf{"o/r", "Q8_0"});
            EXPECT_TRUE(model) << (model ? "" : model.error().message);
            EXPECT_EQ(hub_.storage_seen.size(), 2U) << list;
            EXPECT_EQ(content(folder_ / "o/r" / kFirst), hub_.content);
            fs::remove_all(folder_);
        }
    });
}

TEST_F(HubModelsTest, KeepsNoPlainFileThatIsNotWhole) {
    run([&]() -> Task<void> {
        hub_.content = gguf();
        for (const auto& [fault, word] :
             {std::pair{Fault{.cut_at = 100'000, .unsized = true}, "model_file_damaged"},
              std::pair{Fault{.status = 200}, "model_file_not_gguf"}}) {  // empty
            hub_.faults = {fault};
            const auto cut = co_await ensure(plain());
            EXPECT_EQ(cut ? "" : cut.error().word, word);
            EXPECT_TRUE(!cut && cut.error().remedy.contains("was removed"));
            for (const auto& entry : fs::recursive_directory_iterator{folder_}) {
                EXPECT_TRUE(entry.is_directory()) << entry.path();
            }
        }
        hub_.content[4] = 9;  // a version to come is no damage
        for (const bool newer : {true, false}) {
            hub_.faults = {Fault{.unsized = true}};
            const auto whole = co_await ensure(plain());
            EXPECT_TRUE(whole) << (whole ? "" : whole.error().message);
            EXPECT_EQ(content(whole->path), hub_.content);
            EXPECT_TRUE(co_await ensure(plain()));
            if (newer) {
                fs::remove_all(folder_);
                hub_.content = gguf();
            }
        }
        EXPECT_EQ(hub_.storage_seen.size(), 4U);
    });
}

// A disk of 10 MiB that holds what nova put into the folder.
Result<Bytes> room_of_10_mib(const fs::path& folder) {
    Bytes used;
    for (const auto& entry : fs::directory_iterator{folder}) {
        used = used + Bytes{entry.file_size()};
    }
    return mib(10) - used;
}

TEST_F(HubModelsTest, LeavesTheReserveAloneWhenNobodySaysHowMuchComes) {
    run([&]() -> Task<void> {
        hub_.content.resize(mib(16).count);
        hub_.faults = {Fault{.unsized = true}};
        limits_.free_space = &room_of_10_mib;
        limits_.reserve = mib(2);
        const auto full = co_await ensure(plain());
        EXPECT_EQ(full ? ErrorCode::internal : full.error().code, ErrorCode::exhausted);
        EXPECT_GE(progress_.back().done, mib(4).count);
        EXPECT_LT(progress_.back().done, mib(9).count);
        EXPECT_EQ(hub_.storage_seen.size(), 1U);
    });
}

}  // namespace
}  // namespace nova::catalog

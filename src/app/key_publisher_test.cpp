#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "app/key_publisher.hpp"

namespace nova::app {
namespace {

class KeyPublisherTest : public testing::Test {
protected:
    static recovery::KeyRecord record(const recovery::MintedKey& minted) {
        recovery::KeyRecord record;
        record.id = minted.id;
        record.hash = minted.hash;
        record.is.name = "laptop";
        record.is.models = {"m"};
        record.is.never_cloud = true;
        record.is.requests_per_minute = 5;
        return record;
    }

    asio::io_context io_;
    SystemClock clock_;
    Log log_{Log::Sink::none, LogLevel::debug};
    DataPlane plane_{
        io_.get_executor(),
        clock_,
        log_,
        {.workers = 1,
         .policy = {},
         .admission = [](const net::RequestHead&, const net::Peer&) -> std::optional<Error> {
             return std::nullopt;
         },
         .on_refused = {}}
    };
    KeyPublisher publisher_{plane_};
};

TEST(KeyHash, SurvivesItsHex) {
    const net::Sha256Digest digest = net::sha256_of("abc");
    EXPECT_EQ(digest_from(hex_of(digest)), digest);
    EXPECT_EQ(hex_of(digest).substr(0, 8), "ba7816bf");
    for (const std::string& wrong :
         {std::string{}, std::string(63, 'a'), std::string(64, 'g'), std::string(65, 'a'),
          "-" + std::string(63, 'a')}) {
        EXPECT_FALSE(digest_from(wrong)) << wrong;
    }
}

TEST_F(KeyPublisherTest, MakesEntriesOfRecordsBesideItsOwn) {
    const recovery::MintedKey minted = mint_key();
    const gateway::KeyTable table = publisher_.table_of({record(minted)});
    const gateway::ApiKey* key = table.find(minted.id);
    ASSERT_NE(key, nullptr);
    EXPECT_EQ(key->hash, gateway::hash_of_key(minted.text.reveal()));
    EXPECT_EQ(key->access->key_name, "laptop");
    EXPECT_TRUE(key->access->never_cloud);
    EXPECT_EQ(key->meter->limits().requests_per_minute, 5U);
    const gateway::ApiKey* own = table.find(gateway::kInternalKeyId);
    ASSERT_NE(own, nullptr);
    EXPECT_EQ(own->hash, gateway::hash_of_key(publisher_.internal_key().reveal()));
    EXPECT_TRUE(table.any());
    EXPECT_FALSE(publisher_.table_of({}).any());
}

TEST_F(KeyPublisherTest, AChangeElsewhereDoesNotFillAKeysBucketAgain) {
    const recovery::KeyRecord first = record(mint_key());
    const recovery::KeyRecord second = record(mint_key());
    const auto meter = publisher_.table_of({first}).find(first.id)->meter;
    EXPECT_EQ(publisher_.table_of({first, second}).find(first.id)->meter, meter);
    publisher_.table_of({second});
    EXPECT_NE(publisher_.table_of({first}).find(first.id)->meter, meter) << "it was gone between";
}

TEST_F(KeyPublisherTest, ARecordWithoutAHashAdmitsNobody) {
    recovery::KeyRecord broken = record(mint_key());
    broken.hash = "";
    EXPECT_EQ(publisher_.table_of({broken}).find(broken.id), nullptr);
}

}  // namespace
}  // namespace nova::app

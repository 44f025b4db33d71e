#include <gtest/gtest.h>

#include "gateway/gatekeeper.hpp"

namespace nova::gateway {
namespace {

TEST(Access, ModelsByNameAndByTheirBeginning) {
    const Access everything;
    EXPECT_TRUE(everything.may_use_model("anything"));
    const Access some{.key_id = {}, .key_name = {}, .models = {"gpt-4o", "llama*"}};
    EXPECT_TRUE(some.may_use_model("gpt-4o"));
    EXPECT_FALSE(some.may_use_model("gpt-4o-mini"));
    EXPECT_TRUE(some.may_use_model("llama3.2:1b"));
    EXPECT_FALSE(some.may_use_model("codellama"));
    EXPECT_FALSE(some.may_use_model(""));
}

TEST(Access, ProvidersAndNeverCloud) {
    Upstream cloud;
    cloud.provider = "groq";
    cloud.where = Where::cloud;
    Upstream local;
    local.provider = "vllm";
    EXPECT_TRUE(Access{}.may_use(cloud));
    EXPECT_FALSE((Access{.key_id = {}, .key_name = {}, .never_cloud = true}.may_use(cloud)));
    EXPECT_TRUE((Access{.key_id = {}, .key_name = {}, .never_cloud = true}.may_use(local)));
    EXPECT_TRUE((Access{.key_id = {}, .key_name = {}, .providers = {"groq"}}.may_use(cloud)));
    EXPECT_FALSE((Access{.key_id = {}, .key_name = {}, .providers = {"groq"}}.may_use(local)));
    EXPECT_TRUE((Access{.key_id = {}, .key_name = {}, .providers = {"local"}}.may_use(local)));
    EXPECT_FALSE((Access{.key_id = {}, .key_name = {}, .never_cloud = true, .providers = {"groq"}}
                      .may_use(cloud))
    ) << "the stricter word wins";
}

}  // namespace
}  // namespace nova::gateway

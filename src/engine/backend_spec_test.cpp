// The hash of a wish is stable, and secrets stay out of what is shown.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "engine/backend_spec.hpp"

namespace nova::engine {
namespace {

BackendSpec example() {
    BackendSpec spec;
    spec.engine = {"llamacpp"};
    spec.model = {"/models/smol.gguf"};
    spec.options = {{"context", "4096"}};
    return spec;
}

TEST(BackendSpec, KeepsItsHashFromOneVersionToTheNext) {
    // The value is in records and in environments of running engines: it must never change.
    EXPECT_EQ(hash_of(example()).value, "9c9239c4e1759655");
}

TEST(BackendSpec, HashesEveryPartOfTheWish) {
    const SpecHash hash = hash_of(example());
    BackendSpec other = example();
    other.options["context"] = "4097";
    EXPECT_NE(hash_of(other), hash);
    other = example();
    other.model = {"/models/other.gguf"};
    EXPECT_NE(hash_of(other), hash);
    other = example();
    other.auth_header_value = Secret{"k"};
    EXPECT_NE(hash_of(other), hash);
    EXPECT_FALSE(same_wish(other, example()));
}

TEST(BackendSpec, ComesBackFromTheStoreAndHidesItsSecretElsewhere) {
    BackendSpec spec = example();
    spec.url = "http://box/v1";
    spec.auth_header_name = "X-Key";
    spec.auth_header_value = Secret{"very-secret"};
    const auto back = backend_spec_from(to_json(spec, SecretsIn::yes));
    ASSERT_TRUE(back);
    EXPECT_TRUE(same_wish(*back, spec));
    EXPECT_EQ(to_json(spec, SecretsIn::no).dump().find("very-secret"), std::string::npos);
}

TEST(BackendSpec, TakesNumbersAsOptionsAndNamesAWrongOne) {
    const auto good = backend_spec_from(
        Json::parse(R"({"engine": "llamacpp", "options": {"context": 4096, "embeddings": true}})")
    );
    ASSERT_TRUE(good);
    EXPECT_EQ(good->options.at("context"), "4096");
    EXPECT_EQ(good->options.at("embeddings"), "true");
    const auto bad =
        backend_spec_from(Json::parse(R"({"engine": "x", "options": {"context": []}})"));
    ASSERT_FALSE(bad);
    EXPECT_NE(bad.error().message.find("options.context"), std::string::npos);
    EXPECT_FALSE(backend_spec_from(Json::parse("{}")));
}

}  // namespace
}  // namespace nova::engine

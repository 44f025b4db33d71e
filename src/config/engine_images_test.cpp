#include <gtest/gtest.h>

#include "config/engine_images.hpp"

namespace nova::config {
namespace {

TEST(EngineImages, AreReadByEngine) {
    const auto images = engine_images_from(
        " llamacpp = 127.0.0.1:5000/llamacpp:mine,vllm=ghcr.io/x/y@sha256:12ab, ,"
    );
    ASSERT_TRUE(images);
    EXPECT_EQ(images->size(), 2U);
    EXPECT_EQ(images->at("llamacpp"), "127.0.0.1:5000/llamacpp:mine");
    EXPECT_EQ(images->at("vllm"), "ghcr.io/x/y@sha256:12ab");
    EXPECT_TRUE(engine_images_from("")->empty());
}

TEST(EngineImages, RefuseWhatIsNoImage) {
    for (const char* text :
         {"llamacpp", "=x:1", "llamacpp=", "llamacpp=a b", "llamacpp=x?y=1", "llamacpp=../../info",
          "llamacpp=/x", "llamacpp=-x", "llamacpp=x:1,llamacpp=x:2"}) {
        const auto images = engine_images_from(text);
        ASSERT_FALSE(images) << text;
        EXPECT_EQ(images.error().code, ErrorCode::unprocessable);
        EXPECT_FALSE(images.error().remedy.empty());
    }
}

}  // namespace
}  // namespace nova::config

// Logins as `docker login` writes them; a pull with one is tried on a real registry in
// tests/docker.
#include <gtest/gtest.h>

#include "runtime/docker_login.hpp"

namespace nova::runtime {
namespace {

TEST(DockerLogin, KnowsWhoServesAnImage) {
    EXPECT_EQ(registry_of("ollama/ollama:1"), "docker.io");
    EXPECT_EQ(registry_of("ollama"), "docker.io");
    EXPECT_EQ(registry_of("ghcr.io/ggml-org/llama.cpp:server"), "ghcr.io");
    EXPECT_EQ(registry_of("127.0.0.1:5000/x:y"), "127.0.0.1:5000");
    EXPECT_EQ(registry_of("localhost/x"), "localhost");
}

TEST(DockerLogin, MakesTheHeaderOfTheRegistrysLogin) {
    constexpr std::string_view kConfig = R"({"auths": {
        "https://index.docker.io/v1/": {"auth": "aHViOnBhc3M6d29yZD8/Pw=="},
        "https://ghcr.io/v2": {"identitytoken": "tok"},
        "127.0.0.1:5000": {"auth": "bWU6cHc="},
        "kept.example": {}, "odd.example": {"auth": "not base64"}}})";
    // {"password":"pass:word???","serveraddress":"https://index.docker.io/v1/","username":"hub"}
    EXPECT_EQ(
        registry_auth(kConfig, "ollama/ollama:1"),
        "eyJwYXNzd29yZCI6InBhc3M6d29yZD8_PyIsInNlcnZlcmFkZHJlc3MiOiJodHRwczovL2luZGV4LmRvY2tlci5pb"
        "y92MS8iLCJ1c2VybmFtZSI6Imh1YiJ9"
    );
    // {"identitytoken":"tok","serveraddress":"https://ghcr.io/v2"}
    EXPECT_EQ(
        registry_auth(kConfig, "ghcr.io/x/y:z"),
        "eyJpZGVudGl0eXRva2VuIjoidG9rIiwic2VydmVyYWRkcmVzcyI6Imh0dHBzOi8vZ2hjci5pby92MiJ9"
    );
    EXPECT_FALSE(registry_auth(kConfig, "127.0.0.1:5000/x:y").empty());
    for (const char* image : {"127.0.0.1:5001/x:y", "kept.example/x:y", "odd.example/x:y"}) {
        EXPECT_EQ(registry_auth(kConfig, image), "") << image;
    }
    EXPECT_EQ(registry_auth("no json", "x"), "");
    EXPECT_EQ(registry_auth(R"({"auths": []})", "x"), "");
}

}  // namespace
}  // namespace nova::runtime

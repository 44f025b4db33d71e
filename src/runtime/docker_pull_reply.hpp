// What Docker says while it pulls an image: lines of JSON, added up over the layers. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace nova::runtime {

// Any split of the bytes gives the same. Lines that are not understood are passed over.
class DockerPullReply {
public:
    void feed(std::string_view bytes);

    // Downloaded, of layers that were not here already.
    std::uint64_t done() const;
    // Empty until the size of every layer is known.
    std::optional<std::uint64_t> total() const;

    // "3 of 7 layers fetched", "unpacking layer 2 of 7", "Docker tries again in 5 seconds".
    std::string detail() const;

    // Rises with every byte and every step of a layer, never by repeated lines.
    std::uint64_t movement() const { return movement_; }

    // Checksums and unpacking say little for as long as they take.
    bool works_without_bytes() const;

    // "sha256:…", once Docker told it.
    const std::string& digest() const { return digest_; }

    // Docker's own words, once it gave up.
    const std::optional<std::string>& error() const { return error_; }

private:
    enum class Step : std::uint8_t { announced, downloading, verifying, fetched, extracting, done };

    struct Layer {
        Step step = Step::announced;
        bool here_already = false;
        std::optional<std::uint64_t> total;
        std::uint64_t current = 0;
        std::uint64_t extracted = 0;  // bytes, or seconds with some stores
    };

    void line(std::string_view text);
    void
    layer(const std::string& id, std::string_view status, std::int64_t current, std::int64_t total);
    void reach(Layer& layer, Step step);

    std::string pending_;
    bool skipping_ = false;  // the rest of a line that is too long
    std::map<std::string, Layer> layers_;
    std::uint64_t movement_ = 0;
    std::string retrying_;
    std::string digest_;
    std::optional<std::string> error_;
};

}  // namespace nova::runtime

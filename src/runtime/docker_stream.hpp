// Output of containers as Docker frames it: stream and length in front of each piece. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace nova::runtime {

// Any split of the bytes gives the same. Keeps the newest `most` bytes of each of the two texts.
class DockerStream {
public:
    // mixed: both streams in the order they came, as a log has them.
    enum class Join : std::uint8_t { mixed, apart };

    DockerStream(Join join, std::size_t most) : join_{join}, most_{most} {}

    // False when this is not such a stream: a container with a terminal sends bare text.
    bool feed(std::string_view bytes);

    // Of Join::mixed, all of it; else what went to standard output.
    const std::string& out() const { return out_; }

    const std::string& err() const { return err_; }

    bool cut() const { return cut_; }  // older bytes were dropped

private:
    void take(std::string_view data);

    Join join_;
    std::size_t most_;
    std::string head_;
    std::size_t left_ = 0;  // of the present piece
    bool to_err_ = false;
    bool cut_ = false;
    std::string out_;
    std::string err_;
};

}  // namespace nova::runtime

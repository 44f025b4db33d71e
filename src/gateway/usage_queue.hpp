// Ended requests on their way from a worker to whoever writes them down.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "gateway/request_record.hpp"

namespace nova::gateway {

// Text in place, so that a row needs no allocation; cut at a character's border.
template <std::size_t kMost>
class ShortText {
public:
    void assign(std::string_view text) {
        std::size_t size = std::min(text.size(), kMost);
        if (size < text.size()) {
            while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80U) {
                --size;
            }
        }
        std::copy_n(text.data(), size, bytes_.data());
        size_ = static_cast<std::uint16_t>(size);
    }

    std::string_view view() const { return {bytes_.data(), size_}; }

private:
    std::array<char, kMost> bytes_;
    std::uint16_t size_ = 0;
};

// A RequestRecord that outlives its request.
struct EndedRequest {
    ShortText<64> request_id;
    ShortText<32> route;
    ShortText<16> operation;
    ShortText<128> model;
    ShortText<32> provider;
    ShortText<128> upstream_model;
    ShortText<24> key_id;
    ShortText<64> key_name;
    ShortText<128> why;
    RequestEnd end = RequestEnd::served;
    bool stream = false;
    bool local = false;
    bool usage_counted = false;
    bool prompt_cut = false;
    int status = 0;
    std::uint32_t attempts = 0;
    WallTime began_at{};
    std::chrono::nanoseconds total{0};
    std::optional<std::chrono::nanoseconds> first_content{};
    std::chrono::nanoseconds upstream{0};
    dialect::Usage usage{};

    void assign(const RequestRecord& record);
};

// One thread pushes, one pops; neither waits for the other.
class UsageQueue {
public:
    static constexpr std::size_t kPlaces = 1024;  // rows are drained four times a second or sooner

    enum class Pushed : std::uint8_t { done, half_full, dropped };

    // half_full: told once per crossing, so that the reader can be called.
    Pushed push(const RequestRecord& record);
    // The oldest row; null when there is none. Valid until pop().
    const EndedRequest* front() const;
    void pop();

private:
    // Made with the first row: an idle worker owns no memory for it.
    std::unique_ptr<std::array<EndedRequest, kPlaces>> rows_;
    alignas(64) std::atomic<std::size_t> pushed_{0};
    alignas(64) std::atomic<std::size_t> popped_{0};
};

}  // namespace nova::gateway

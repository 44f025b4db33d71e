// Counters and histograms that one worker writes and anybody reads: no lock, and no allocation but
// for a combination of labels that is new.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace nova::gateway {

// Written by one thread only, hence no read-modify-write.
class Count {
public:
    void add(std::uint64_t by = 1) {
        value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
    }

    std::uint64_t read() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

// Bounds: a constexpr std::array<double, N>, rising.
template <const auto& Bounds>
class Histogram {
public:
    static constexpr std::size_t kBounds = Bounds.size();

    void observe(double value) {
        std::size_t at = 0;
        while (at < kBounds && value > Bounds[at]) {
            ++at;
        }
        counts_[at].add();
        sum_.store(sum_.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
    }

    // Not cumulative; the last is everything above the highest bound.
    std::uint64_t count(std::size_t bucket) const { return counts_[bucket].read(); }

    double sum() const { return sum_.load(std::memory_order_relaxed); }

private:
    std::array<Count, kBounds + 1> counts_{};
    std::atomic<double> sum_{0};
};

// Names that may stand in a label, at most kMost for the life of the process: what a client made up
// is none of them (trap 102). One thread adds, any reads.
class LabelNames {
public:
    static constexpr std::size_t kMost = 64;
    static constexpr std::uint8_t kOther = kMost;

    // A name beyond the limit, or too long for a label, stays "other".
    void add(std::string_view name) {
        constexpr std::size_t kLongest = 200;
        const std::size_t used = used_.load(std::memory_order_relaxed);
        if (used == kMost || name.empty() || name.size() > kLongest || find(name) != kOther) {
            return;
        }
        names_[used] = name;
        used_.store(used + 1, std::memory_order_release);
    }

    std::uint8_t find(std::string_view name) const {
        const std::size_t used = used_.load(std::memory_order_acquire);
        for (std::size_t i = 0; i < used; ++i) {
            if (names_[i] == name) {
                return static_cast<std::uint8_t>(i);
            }
        }
        return kOther;
    }

    // Of what find() returned.
    std::string_view at(std::uint8_t number) const {
        return number < kMost ? std::string_view{names_[number]} : "other";
    }

private:
    std::array<std::string, kMost> names_{};
    std::atomic<std::size_t> used_{0};
};

// Series by key, made when first met, at most kMost; whatever comes later shares `overflow`.
template <class Series, std::size_t kMost, std::uint32_t kOverflow>
class SeriesTable {
public:
    // Its own worker only.
    Series& at(std::uint32_t key) {
        const std::size_t used = used_.load(std::memory_order_relaxed);
        for (std::size_t i = 0; i < used; ++i) {
            if (rows_[i].key == key) {
                return *rows_[i].series;
            }
        }
        if (used + 1 >= kMost && key != kOverflow) {
            return at(kOverflow);  // the last place is kept for it
        }
        rows_[used] = {.key = key, .series = std::make_unique<Series>()};
        used_.store(used + 1, std::memory_order_release);
        return *rows_[used].series;
    }

    // Any thread: use(key, series) for each.
    template <class Use>
    void each(Use use) const {
        const std::size_t used = used_.load(std::memory_order_acquire);
        for (std::size_t i = 0; i < used; ++i) {
            use(rows_[i].key, *rows_[i].series);
        }
    }

private:
    struct Row {
        std::uint32_t key = 0;
        std::unique_ptr<Series> series{};
    };

    std::array<Row, kMost> rows_{};
    std::atomic<std::size_t> used_{0};
};

}  // namespace nova::gateway

#include <charconv>
#include <set>

#include <gtest/gtest.h>

#include "gateway/prometheus_reader.hpp"
#include "gateway/prometheus_text.hpp"

namespace nova::gateway::testing {
namespace {

class PrometheusReader {
public:
    static ReadMetrics read(std::string_view text) {
        PrometheusReader reader;
        if (!text.ends_with('\n')) {
            reader.complain("the last line does not end");
        }
        while (!text.empty() && reader.out_.error.empty()) {
            const auto end = text.find('\n');
            reader.line(text.substr(0, end));
            text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        }
        reader.check_histograms();
        return std::move(reader.out_);
    }

private:
    static bool is_name(std::string_view text) {
        if (text.empty() || (text.front() >= '0' && text.front() <= '9')) {
            return false;
        }
        return text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789_") == std::string_view::npos;
    }

    void complain(std::string what) {
        if (out_.error.empty()) {
            out_.error = std::move(what);
        }
    }

    void line(std::string_view text) {
        if (text.starts_with("# HELP ")) {
            const auto rest = text.substr(7);
            const auto space = rest.find(' ');
            const std::string name{rest.substr(0, space)};
            if (!is_name(name) || space == std::string_view::npos || rest.size() < space + 10) {
                return complain("bad HELP: " + std::string{text});
            }
            if (!helped_.insert(name).second) {
                return complain("HELP twice: " + name);
            }
            family_ = name;
        } else if (text.starts_with("# TYPE ")) {
            const auto rest = text.substr(7);
            const auto space = rest.find(' ');
            const std::string name{rest.substr(0, space)};
            const std::string type{space == std::string_view::npos ? "" : rest.substr(space + 1)};
            if (name != family_ || (type != "counter" && type != "gauge" && type != "histogram")) {
                return complain("bad TYPE: " + std::string{text});
            }
            if (!out_.types.emplace(name, type).second) {
                return complain("TYPE twice: " + name);
            }
            if ((type == "counter") != name.ends_with("_total")) {
                return complain("a counter ends in _total, nothing else does: " + name);
            }
        } else {
            sample(text);
        }
    }

    void sample(std::string_view text) {
        Sample sample;
        const auto stop = text.find_first_of("{ ");
        sample.name = text.substr(0, stop);
        if (stop == std::string_view::npos || !is_name(sample.name)) {
            return complain("bad sample: " + std::string{text});
        }
        if (!belongs(sample.name)) {
            return complain("outside its family " + family_ + ": " + sample.name);
        }
        std::string_view rest = text.substr(stop);
        if (rest.starts_with('{')) {
            rest.remove_prefix(1);
            if (!labels(rest, sample)) {
                return complain("bad labels: " + std::string{text});
            }
        }
        if (!rest.starts_with(' ')) {
            return complain("no value: " + std::string{text});
        }
        rest.remove_prefix(1);
        const auto [end, error] =
            std::from_chars(rest.data(), rest.data() + rest.size(), sample.value);
        if (error != std::errc{} || end != rest.data() + rest.size()) {
            return complain("bad value: " + std::string{text});
        }
        std::string identity = sample.name;
        for (const auto& [key, value] : sample.labels) {
            identity += "\n" + key + "=" + value;
        }
        if (!seen_.insert(identity).second) {
            return complain("twice: " + std::string{text});
        }
        out_.samples.push_back(std::move(sample));
    }

    bool belongs(std::string_view name) const {
        const auto it = out_.types.find(family_);
        if (it == out_.types.end()) {
            return false;
        }
        if (it->second != "histogram") {
            return name == family_;
        }
        return name == family_ + "_bucket" || name == family_ + "_sum" ||
               name == family_ + "_count";
    }

    // Behind the opening brace; leaves what follows the closing one.
    static bool labels(std::string_view& rest, Sample& sample) {
        while (true) {
            const auto equals = rest.find("=\"");
            if (equals == std::string_view::npos || !is_name(rest.substr(0, equals))) {
                return false;
            }
            const std::string name{rest.substr(0, equals)};
            rest.remove_prefix(equals + 2);
            std::string value;
            while (!rest.empty() && rest.front() != '"') {
                if (rest.front() == '\\') {
                    rest.remove_prefix(1);
                    if (rest.empty() || !std::string_view{"\\\"n"}.contains(rest.front())) {
                        return false;
                    }
                    value += rest.front() == 'n' ? '\n' : rest.front();
                } else {
                    value += rest.front();
                }
                rest.remove_prefix(1);
            }
            if (rest.size() < 2 || value.empty() || !sample.labels.emplace(name, value).second) {
                return false;
            }
            rest.remove_prefix(1);
            const char next = rest.front();
            rest.remove_prefix(1);
            if (next != ',') {
                return next == '}';
            }
        }
    }

    // Buckets rise to +Inf, which is the count.
    void check_histograms();

    ReadMetrics out_;
    std::string family_;
    std::set<std::string> helped_;
    std::set<std::string> seen_;
};

void PrometheusReader::check_histograms() {
    double before = 0;
    bool inside = false;
    for (std::size_t i = 0; i < out_.samples.size(); ++i) {
        const Sample& sample = out_.samples[i];
        if (!sample.labels.contains("le")) {
            if (inside) {
                complain("a histogram ends before +Inf: " + sample.name);
            }
            continue;
        }
        if (inside && sample.value < before) {
            complain("buckets fall: " + sample.name);
        }
        before = sample.value;
        inside = sample.labels.at("le") != "+Inf";
        if (!inside && (i + 2 >= out_.samples.size() || out_.samples[i + 2].value != before)) {
            complain("the count is not the last bucket: " + sample.name);
        }
    }
}

}  // namespace

ReadMetrics read_metrics(std::string_view text) {
    return PrometheusReader::read(text);
}

namespace {

constexpr std::string_view kHead = "# HELP nova_x_total What it is.\n# TYPE nova_x_total counter\n";

TEST(PrometheusReader, RefusesWhatPrometheusWould) {
    const std::string head{kHead};
    for (const std::string text :
         {"nova_x_total 1\n", "nova_x_total", "nova_y_total 1\n", "nova_x_total{} 1\n",
          "nova_x_total{a=\"\"} 1\n", "nova_x_total{a=\"1\",a=\"2\"} 1\n", "nova_x_total{a=1} 1\n",
          "nova_x_total{a=\"\\x\"} 1\n", "nova_x_total 1 \n", "nova_x_total one\n",
          "nova_x_total 1\nnova_x_total 2\n", "nova_x_total{0=\"a\"} 1\n", "9x 1\n"}) {
        const bool alone = text.starts_with("nova_x_total 1\n") && text.size() == 15;
        EXPECT_NE(read_metrics(alone ? text : head + text).error, "") << text;
    }
    EXPECT_EQ(read_metrics(head + "nova_x_total 1\n").error, "");
    EXPECT_NE(read_metrics(head + head + "nova_x_total 1\n").error, "");
}

TEST(PrometheusText, EscapesWhatALabelMayHold) {
    PrometheusText text;
    text.family({.name = "nova_x_total", .type = FamilyType::counter, .help = "What it is."});
    const std::string strange = "a\"b\\c\nd}{,=é";
    text.sample({{"model", strange}, {"empty", ""}}, std::uint64_t{7});
    const std::string page = text.take();
    const ReadMetrics read = read_metrics(page);
    EXPECT_EQ(read.error, "") << page;
    EXPECT_EQ(read.value("nova_x_total", {{"model", strange}}), 7);
    EXPECT_EQ(read.samples.front().labels.size(), 1U);
}

TEST(PrometheusText, MakesHistogramsCumulative) {
    PrometheusText text;
    text.family({.name = "nova_t_seconds", .type = FamilyType::histogram, .help = "How long."});
    const double bounds[] = {0.1, 1};
    const std::uint64_t counts[] = {2, 0, 3};
    text.histogram({{"a", "b"}}, bounds, counts, 4.5);
    const ReadMetrics read = read_metrics(text.take());
    EXPECT_EQ(read.error, "");
    EXPECT_EQ(read.value("nova_t_seconds_bucket", {{"le", "0.1"}}), 2);
    EXPECT_EQ(read.value("nova_t_seconds_bucket", {{"le", "1"}}), 2);
    EXPECT_EQ(read.value("nova_t_seconds_bucket", {{"le", "+Inf"}, {"a", "b"}}), 5);
    EXPECT_EQ(read.value("nova_t_seconds_count"), 5);
    EXPECT_EQ(read.value("nova_t_seconds_sum"), 4.5);
}

}  // namespace
}  // namespace nova::gateway::testing

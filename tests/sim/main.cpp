// nova-sim: hostile worlds by the thousand, each drawn from a seed.
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "core/checkout.hpp"
#include "run.hpp"

namespace nova::sim {
namespace {

using lifecycle::PlantedBug;

constexpr std::string_view kUsage =
    R"(usage: nova-sim [--count N | --seeds A..B | --seed N] [--seconds S] [--trace] [--minimise]
                [--bug NAME] [--bugs] [--fail-effects] [--no-replay]

  --count N       seeds 1 to N (2000)
  --seconds S     no new seed after so much real time
  --seed N        that one; --trace prints one line for each transition
  --minimise      leaves out what a failing seed does not need, and prints the rest
  --bug NAME      with a mistake planted; --bugs: each of them until it is found
  --fail-effects  each call into the world fails once in each way
  --no-replay     without the seeds of seeds.txt
)";

const std::map<std::string, PlantedBug, std::less<>>& bugs() {
    static const std::map<std::string, PlantedBug, std::less<>> all{
        {"stop_without_drain", PlantedBug::stop_without_drain},
        {"open_before_loaded", PlantedBug::open_before_loaded},
        {"failed_stop_counts_as_gone", PlantedBug::failed_stop_counts_as_gone},
        {"own_stop_counts_as_failure", PlantedBug::own_stop_counts_as_failure},
        {"supersede_forgets_outcome", PlantedBug::supersede_forgets_outcome},
        {"skip_recovery", PlantedBug::skip_recovery},
        {"retry_timer_lost", PlantedBug::retry_timer_lost},
        {"exit_leaves_traffic_open", PlantedBug::exit_leaves_traffic_open},
        {"strikes_never_forgotten", PlantedBug::strikes_never_forgotten},
        {"no_back_off", PlantedBug::no_back_off},
        {"cancel_keeps_desired", PlantedBug::cancel_keeps_desired},
        {"roll_back_keeps_desired", PlantedBug::roll_back_keeps_desired},
        {"drain_forgets_cut", PlantedBug::drain_forgets_cut},
        {"strays_left", PlantedBug::strays_left},
        {"outcome_twice", PlantedBug::outcome_twice},
        {"outcome_beside_record", PlantedBug::outcome_beside_record},
        {"events_before_commit", PlantedBug::events_before_commit},
        {"accepted_before_commit", PlantedBug::accepted_before_commit},
        {"record_forgets_wish", PlantedBug::record_forgets_wish},
        {"spawn_before_intent", PlantedBug::spawn_before_intent},
        {"one_acknowledgement", PlantedBug::one_acknowledgement},
        {"lease_not_taken", PlantedBug::lease_not_taken},
        {"parks_with_lease", PlantedBug::parks_with_lease},
        {"wake_lost", PlantedBug::wake_lost},
        {"canary_counts_as_use", PlantedBug::canary_counts_as_use},
        {"strike_despite_work", PlantedBug::strike_despite_work},
        {"doubt_without_end", PlantedBug::doubt_without_end},
        {"away_means_nothing", PlantedBug::away_means_nothing},
    };
    return all;
}

struct Arguments {
    std::uint64_t first = 1;
    std::uint64_t last = 2000;
    double seconds = 1e9;
    bool trace = false;
    bool minimise = false;
    bool all_bugs = false;
    bool fail_effects = false;
    bool replay = true;
    PlantedBug bug = PlantedBug::none;
};

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

std::uint64_t number(std::string_view text) {
    return std::strtoull(std::string{text}.c_str(), nullptr, 10);
}

bool read_option(Arguments& out, std::string_view option, std::string_view value, bool& took) {
    took = true;
    if (option == "--count") {
        out.last = number(value);
    } else if (option == "--seeds") {
        const std::size_t dots = value.find("..");
        out.first = number(value.substr(0, dots));
        out.last = dots == std::string_view::npos ? out.first : number(value.substr(dots + 2));
    } else if (option == "--seed") {
        out.first = out.last = number(value);
        out.replay = false;
    } else if (option == "--seconds") {
        out.seconds = static_cast<double>(number(value));
    } else if (option == "--bug") {
        const auto bug = bugs().find(value);
        if (bug == bugs().end()) {
            return false;
        }
        out.bug = bug->second;
    } else {
        took = false;
        if (option == "--trace") {
            out.trace = true;
        } else if (option == "--minimise") {
            out.minimise = true;
        } else if (option == "--bugs") {
            out.all_bugs = true;
        } else if (option == "--fail-effects") {
            out.fail_effects = true;
        } else if (option == "--no-replay") {
            out.replay = false;
        } else {
            return false;
        }
    }
    return true;
}

std::optional<Arguments> read(const std::vector<std::string>& words) {
    Arguments out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        bool took = false;
        const std::string value = i + 1 < words.size() ? words[i + 1] : "";
        if (!read_option(out, words[i], value, took) || (took && value.empty())) {
            return std::nullopt;
        }
        i += took ? 1 : 0;
    }
    return out;
}

// ---------------------------------------------------------------- seeds

class Tally {
public:
    // False: it failed.
    bool add(const Schedule& schedule, const Arguments& arguments, std::string_view origin) {
        const Verdict verdict = run(schedule, arguments.trace ? stdout : nullptr);
        ++runs_;
        simulated_ += std::chrono::duration<double>(verdict.simulated).count();
        steps_ += verdict.steps;
        requests_ += verdict.requests;
        operations_ += verdict.operations;
        if (!verdict.violation) {
            return true;
        }
        ++failed_;
        fmt::print("seed {}{}: {}\n", schedule.seed, origin, *verdict.violation);
        if (arguments.minimise) {
            const auto kept = nova::sim::minimise(schedule);
            std::string line = fmt::format("{} keep", schedule.seed);
            for (const std::size_t index : kept) {
                line += fmt::format(" {}", index);
                fmt::print("    {}\n", text(schedule.entries[index]));
            }
            fmt::print("    for seeds.txt: {}\n", line);
        }
        return false;
    }

    bool summary(double took) const {
        const double busy = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
        fmt::print(
            "nova-sim: {} seeds, {} failed; {} transitions, {} operations, {} requests; {:.1f} "
            "hours simulated in {:.1f} s ({:.1f} s of processor): {:.0f} hours in a minute, {:.0f} "
            "seeds in a second of processor\n",
            runs_, failed_, steps_, operations_, requests_, simulated_ / 3600, took, busy,
            simulated_ / 60 / took, static_cast<double>(runs_) / busy
        );
        return failed_ == 0 && runs_ > 0;
    }

    std::size_t failed() const { return failed_; }

private:
    std::size_t runs_ = 0;
    std::size_t failed_ = 0;
    double simulated_ = 0;
    std::uint64_t steps_ = 0;
    std::uint64_t requests_ = 0;
    std::uint64_t operations_ = 0;
};

// A line: SEED [plain] [keep INDEX...] [# what it found]
void replay(Tally& tally, const Arguments& arguments) {
    std::ifstream file{checkout() / "tests/sim/seeds.txt"};
    for (std::string line; std::getline(file, line);) {
        std::istringstream words{line.substr(0, line.find('#'))};
        std::uint64_t seed = 0;
        if (!(words >> seed)) {
            continue;
        }
        std::string word;
        words >> word;
        const bool plain = word == "plain";
        Schedule schedule = draw(seed, arguments.bug, plain ? Extent::plain : Extent::whole);
        if (plain) {
            word.clear();
            words >> word;
        }
        if (word == "keep") {
            std::vector<std::size_t> kept;
            for (std::size_t index = 0; words >> index;) {
                kept.push_back(index);
            }
            schedule = only(schedule, kept);
        }
        tally.add(schedule, arguments, " (seeds.txt)");
    }
}

bool run_seeds(const Arguments& arguments) {
    const double began = now();
    Tally tally;
    if (arguments.replay) {
        replay(tally, arguments);
    }
    for (std::uint64_t seed = arguments.first; seed <= arguments.last; ++seed) {
        tally.add(draw(seed, arguments.bug), arguments, "");
        if (now() - began > arguments.seconds || tally.failed() >= 20) {
            break;
        }
    }
    return tally.summary(now() - began);
}

bool run_bugs(const Arguments& arguments) {
    std::size_t found = 0;
    for (const auto& [name, bug] : bugs()) {
        std::optional<std::string> violation;
        std::uint64_t seed = 0;
        while (!violation && seed < arguments.last) {
            violation = run(draw(++seed, bug), nullptr).violation;
        }
        found += violation ? 1 : 0;
        fmt::print(
            "planted {:<28} {} {:>5} seeds{}\n", name, violation ? "found in" : "NOT FOUND in",
            seed, violation ? ": " + *violation : ""
        );
    }
    fmt::print("nova-sim: {} planted, {} not found\n", bugs().size(), bugs().size() - found);
    return found == bugs().size();
}

bool run_effects(const Arguments& arguments) {
    const EffectRuns count = fail_every_effect(arguments.bug, arguments.trace ? stdout : nullptr);
    fmt::print("nova-sim: {} runs with one failure, {} failed\n", count.runs, count.failed);
    return count.failed == 0;
}

}  // namespace
}  // namespace nova::sim

int main(int count, char** words) {
    using namespace nova::sim;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    const auto arguments = read({words + 1, words + count});
    if (!arguments) {
        fmt::print(stderr, "{}", kUsage);
        return 2;
    }
    const bool good = arguments->all_bugs       ? run_bugs(*arguments)
                      : arguments->fail_effects ? run_effects(*arguments)
                                                : run_seeds(*arguments);
    return good ? 0 : 1;
}

// Clients that leave: seen from outside by how soon the next one is served.
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "conform/talk.hpp"
#include "conform/themes.hpp"
#include "core/json.hpp"

namespace nova::conform {
namespace {

constexpr unsigned kLeavers = 4;    // more than one engine's slots, few enough to be paid for
constexpr unsigned kLong = 1024;    // tokens; the leavers see a few of them
constexpr int kPatienceFactor = 4;  // against the time a small request takes undisturbed
constexpr std::chrono::seconds kSlack{10};  // a busy machine is no fault

enum class Leaving : std::uint8_t { mid_stream, before_answer };

double seconds(std::chrono::nanoseconds time) {
    return std::chrono::duration<double>{time}.count();
}

// All leavers are at work before the first of them goes. False when they were not.
Task<bool> come_and_go(Probe& probe, std::string body, Leaving leaving) {
    const Ask ask{.method = "POST", .path = chat_path(probe.dialect), .body = std::move(body)};
    std::vector<std::unique_ptr<Wire>> wires;
    for (unsigned i = 0; i < kLeavers; ++i) {
        auto wire = co_await probe.connect();
        if (!wire || !co_await (*wire)->send(probe.request(ask))) {
            co_return false;
        }
        wires.push_back(*std::move(wire));
    }
    if (leaving == Leaving::mid_stream && !co_await wires[0]->anything(probe.limits().answer)) {
        co_return false;
    }
    co_await probe.clock().sleep_for(probe.limits().pause * 5);
    for (const auto& wire : wires) {
        wire->close();
    }
    co_return true;
}

Task<Verdict> served_after(Probe& probe, std::string long_body, Leaving leaving) {
    const std::string small = json_text(chat(probe, "Say hi.", 2));
    const TimePoint asked = probe.clock().now();
    const Reply before = co_await send_chat(probe, small);
    const auto usual = probe.clock().now() - asked;
    if (!before.ok()) {
        co_return cannot_tell(told(before));
    }
    if (!co_await come_and_go(probe, std::move(long_body), leaving)) {
        co_return cannot_tell("the long requests were not taken");
    }
    auto wire = co_await probe.connect();
    if (!wire) {
        co_return cannot_tell(wire.error().message);
    }
    const auto patience =
        std::chrono::duration_cast<std::chrono::milliseconds>(usual * kPatienceFactor + kSlack);
    const Ask ask{.method = "POST", .path = chat_path(probe.dialect), .body = small};
    ignore(co_await (*wire)->send(probe.request(ask)), "the answer says more");
    const Reply after = co_await (*wire)->reply("POST", patience);
    if (!after.ok()) {
        co_return failed(
            fmt::format("the next request: {}", told(after)),
            fmt::format(
                "served within {:.1f} s ({:.2f} s undisturbed): who left is not worked for",
                seconds(patience), seconds(usual)
            )
        );
    }
    co_return passed();
}

Task<Verdict> mid_stream(Probe& probe) {
    std::string body = streamed(chat(probe, "Count from 1 to 500, a number a line.", kLong));
    co_return co_await served_after(probe, std::move(body), Leaving::mid_stream);
}

Task<Verdict> before_headers(Probe& probe) {
    std::string body = streamed(chat(probe, "List the numbers from 1 to 500.", kLong));
    co_return co_await served_after(probe, std::move(body), Leaving::before_answer);
}

Task<Verdict> unary(Probe& probe) {
    std::string body = json_text(chat(probe, "Write all numbers from 1 to 500.", kLong));
    co_return co_await served_after(probe, std::move(body), Leaving::before_answer);
}

}  // namespace

void add_cancelling(std::vector<Check>& checks) {
    using enum Severity;
    const auto add = [&checks](
                         std::string_view id, std::vector<unsigned> traps,
                         std::string_view expectation, Task<Verdict> (*run)(Probe&)
                     ) { checks.push_back({id, std::move(traps), {}, should, expectation, run}); };
    add("cancel.stream", {29, 35, 38},
        "Clients that leave in the middle of a stream do not hold up the next one.", mid_stream);
    add("cancel.early", {35, 38},
        "Clients that leave before the answer begins do not hold up the next one.", before_headers);
    add("cancel.unary", {36, 38},
        "Clients that leave while a whole answer is made do not hold up the next one.", unary);
}

}  // namespace nova::conform

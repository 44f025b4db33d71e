// The relay loops. A stream's bytes are held back until its first content, then forwarded at event
// borders, so that an error event can always follow.
#include "gateway/same_dialect_answer.hpp"

#include <optional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"
#include "gateway/event_editor.hpp"
#include "gateway/first_content.hpp"
#include "gateway/json_scan.hpp"
#include "gateway/relay_errors.hpp"
#include "gateway/sse_border.hpp"
#include "gateway/upstream_read.hpp"
#include "gateway/upstream_request.hpp"
#include "gateway/usage_tap.hpp"

namespace nova::gateway {
namespace {

using dialect::Dialect;

// A whole answer whose model is renamed has to be there as a whole.
constexpr std::size_t kRenamedBytes = 32U * 1024U * 1024U;

std::string as_json(std::string_view text) {
    return json_text(nlohmann::json(text));
}

// The client's name for the model, when the provider was asked by another one (trap 71).
std::string renaming(const RelayJob& job) {
    return job.upstream_model.empty() || job.peek.model.empty() ? std::string{}
                                                                : as_json(job.peek.model);
}

// Writes the usage into the job whatever way the answer ends: what streamed is billed (trap 39).
struct Accounting {
    Accounting(Attempt& the_attempt, UsageTap::Kind kind)
        : attempt{the_attempt},
          tap{the_attempt.request.dialect, the_attempt.job.route.operation, kind},
          counts{kind == UsageTap::Kind::stream} {}

    Accounting(const Accounting&) = delete;
    Accounting& operator=(const Accounting&) = delete;

    ~Accounting() {
        if (!attempt.committed) {
            return;
        }
        attempt.job.usage = tap.usage();
        // Of a stream that broke off the provider's figure is the one it began with (Anthropic's
        // 0).
        auto& completion = attempt.job.usage.completion;
        if (counts && (!completion || (!tap.complete() && *completion < tap.events()))) {
            completion = tap.events();
            attempt.job.usage_counted = true;
        }
    }

    Attempt& attempt;
    UsageTap tap;
    bool counts;
};

// The head, of what nova and the provider say; it leaves with the first bytes of the body. Built
// and gone before anybody waits.
void begin_answer(
    Attempt& attempt, const net::ResponseHead& head, std::optional<std::uint64_t> length
) {
    const OwnFields own{attempt.job, attempt.upstream.get()};
    const AnswerHeaders headers{own.view(), head};
    attempt.commit(head.status);
    attempt.job.exchange.begin(head.status, headers.view(), length);
}

// ---- whole answers

// Never a 200 with an error body (contract.md 6).
bool begins_with_error(std::string_view body) {
    const std::size_t open = body.find_first_not_of(" \t\r\n");
    if (open == std::string_view::npos || body[open] != '{') {
        return false;
    }
    const std::size_t name = body.find_first_not_of(" \t\r\n", open + 1);
    return name != std::string_view::npos && body.substr(name).starts_with("\"error\"") &&
           has_outer_value(body, R"("error")");
}

Task<Result<std::string>>
read_whole(Attempt& attempt, net::UpstreamConnection& upstream, std::string body) {
    for (;;) {
        const auto piece = co_await wait_for_piece(attempt, upstream, Heartbeat::no);
        attempt.count_bytes(upstream);
        if (!piece) {
            co_return propagate(piece);
        }
        if (piece->empty()) {
            co_return body;
        }
        if (body.size() + piece->size() > kRenamedBytes) {
            co_return fail(ErrorCode::upstream_failed, "The answer is too large.");
        }
        body.append(*piece);
    }
}

Ending error_in_200(Attempt& attempt, std::string_view body) {
    Error error = dialect::codec_of(attempt.request.dialect).read_error(200, body);
    return attempt.ended(Ended::error_event, std::move(error));
}

// The answer in one go, for who must see all of it first.
Task<Ending> pass_collected(
    Accounting& accounting, net::UpstreamConnection& upstream, const net::ResponseHead& head,
    std::string first
) {
    Attempt& attempt = accounting.attempt;
    auto body = co_await read_whole(attempt, upstream, std::move(first));
    if (!body) {
        co_return attempt.failed(body.error());
    }
    if (begins_with_error(*body)) {
        co_return error_in_200(attempt, *body);
    }
    if (const std::string model = renaming(attempt.job); !model.empty()) {
        *body = with_model_name(*body, model);
    }
    accounting.tap.begin(*body);
    accounting.tap.note(*body);
    begin_answer(attempt, head, body->size());
    const auto sent = co_await attempt.job.exchange.write(*body);
    co_return sent ? attempt.served() : attempt.client_left();
}

Task<Ending>
pass_whole(Attempt& attempt, net::UpstreamConnection& upstream, const net::ResponseHead& head) {
    Accounting accounting{attempt, UsageTap::Kind::whole};
    for (;;) {
        auto buffered = upstream.buffered_body();
        if (!buffered) {
            buffered = co_await wait_for_piece(attempt, upstream, Heartbeat::no);
        }
        attempt.count_bytes(upstream);
        const auto& piece = *buffered;
        if (!piece) {
            const Ending ending = attempt.failed(piece.error());
            if (attempt.committed && ending.how != Ended::client_left) {
                co_await end_badly(attempt, Shape::whole);
            }
            co_return ending;
        }
        if (!attempt.committed) {
            if (!renaming(attempt.job).empty() || begins_with_error(*piece)) {
                co_return co_await pass_collected(accounting, upstream, head, std::string{*piece});
            }
            accounting.tap.begin(*piece);
            begin_answer(attempt, head, announced_length(head));
        }
        if (piece->empty()) {
            co_return attempt.served();
        }
        accounting.tap.note(*piece);
        const auto sent = co_await attempt.job.exchange.write(*piece);
        if (!sent) {
            co_return attempt.client_left();
        }
    }
}

// ---- streams

// Sends one piece of a stream, whole events first.
Task<Result<void>> forward(net::Exchange& exchange, SseHold& hold, std::string_view piece) {
    const SseHold::Split split = hold.split(piece);
    if (!split.held.empty()) {
        const auto sent = co_await exchange.write(split.held);
        if (!sent) {
            co_return propagate(sent);
        }
    }
    if (!split.now.empty()) {
        const auto sent = co_await exchange.write(split.now);
        if (!sent) {
            co_return propagate(sent);
        }
    }
    hold.keep(split);
    co_return Result<void>{};
}

struct Stream {
    Stream(Attempt& the_attempt, net::UpstreamConnection& the_upstream)
        : attempt{the_attempt}, upstream{the_upstream},
          accounting{the_attempt, UsageTap::Kind::stream},
          hold{
              the_attempt.worker.policy.held_event_bytes,
              framing_of(the_attempt.request.dialect) == Framing::lines ? SseHold::Border::lines
                                                                        : SseHold::Border::events
          } {
        std::string model = renaming(the_attempt.job);
        if (!model.empty() || the_attempt.request.drop_usage) {
            edit({.model_json = std::move(model), .drop_usage = the_attempt.request.drop_usage});
        }
    }

    void edit(EventEditor::Edits edits) {
        if (keyed()) {
            edits.clean_error = [this](std::string_view event) {
                return without_secrets(attempt, event);
            };
        }
        editor.emplace(std::move(edits), framing_of(attempt.request.dialect));
    }

    bool keyed() const { return !attempt.upstream->auth_header_value.empty(); }

    // Of a provider that was given a key, when an error seems to come: from here event by event.
    void look_for_error(std::string_view piece) {
        if (!keyed() || editor) {
            return;
        }
        const std::string_view before = hold.held();
        if (may_tell_of_error(piece) ||
            (!before.empty() && may_tell_of_error(std::string{before}.append(piece)))) {
            edit({});
            (void)editor->take(before);  // not a whole event, and is not sent as one
        }
    }

    // To the client, edited where that is needed. False: it has left.
    Task<Result<void>> send(std::string_view piece) {
        accounting.tap.note(piece);
        look_for_error(piece);
        if (editor) {
            return attempt.job.exchange.write(editor->take(piece));
        }
        return forward(attempt.job.exchange, hold, piece);
    }

    std::string_view rest() const { return editor ? editor->rest() : hold.held(); }

    Heartbeat heartbeat() const {
        const bool events = framing_of(attempt.request.dialect) == Framing::events;
        return events && hold.at_border() ? Heartbeat::between_events : Heartbeat::no;
    }

    Attempt& attempt;
    net::UpstreamConnection& upstream;
    Accounting accounting;
    SseHold hold;
    std::optional<EventEditor> editor{};
};

Error ended_early(const Attempt& attempt) {
    return Error{
        .code = ErrorCode::upstream_failed,
        .message =
            fmt::format("{} ended its answer before it was complete.", attempt.upstream->provider),
        .word = "upstream_broken_answer",
    };
}

// Until the first content. Empty: it has come, `first` holds it.
Task<std::optional<Ending>> hold_back(Stream& stream, FirstContent& first) {
    Attempt& attempt = stream.attempt;
    const Clock& clock = attempt.worker.clock;
    const TimePoint enough = clock.now() + attempt.worker.policy.keep_alive_hold;
    for (;;) {
        auto piece = stream.upstream.buffered_body();
        if (!piece) {
            piece = co_await wait_for_piece(attempt, stream.upstream, Heartbeat::no);
        }
        attempt.count_bytes(stream.upstream);
        if (!*piece) {
            co_return attempt.failed(piece->error());
        }
        if ((*piece)->empty()) {
            // Over without content, which is an answer if it says that it is over.
            UsageTap tap{
                attempt.request.dialect, attempt.job.route.operation, UsageTap::Kind::stream
            };
            tap.note(first.bytes());
            if (tap.complete()) {
                co_return std::nullopt;
            }
            co_return attempt.ended(Ended::broken, ended_early(attempt));
        }
        switch (first.take(**piece)) {
        case FirstContent::Verdict::hold:
            if (first.kept_alive() && clock.now() >= enough) {
                co_return std::nullopt;
            }
            break;
        case FirstContent::Verdict::commit:
            co_return std::nullopt;
        case FirstContent::Verdict::failed:
            co_return error_in_200(attempt, first.error());
        }
    }
}

// The upstream's body has ended.
Task<Ending> finish(Stream& stream) {
    Attempt& attempt = stream.attempt;
    if (!stream.accounting.tap.complete()) {
        const Ending ending = attempt.ended(Ended::broken, ended_early(attempt));
        co_await end_badly(attempt, Shape::stream);
        co_return ending;
    }
    if (!stream.rest().empty()) {
        const auto sent = co_await attempt.job.exchange.write(stream.rest());
        if (!sent) {
            co_return attempt.client_left();
        }
    }
    co_return attempt.served();
}

Task<Ending> relay_rest(Stream& stream) {
    Attempt& attempt = stream.attempt;
    for (;;) {
        auto buffered = stream.upstream.buffered_body();
        if (!buffered) {
            buffered = co_await wait_for_piece(attempt, stream.upstream, stream.heartbeat());
        }
        attempt.count_bytes(stream.upstream);
        const auto& piece = *buffered;
        if (!piece) {
            const Ending ending = attempt.failed(piece.error());
            if (ending.how != Ended::client_left) {
                co_await end_badly(attempt, Shape::stream);
            }
            co_return ending;
        }
        if (piece->empty()) {
            co_return co_await finish(stream);
        }
        const auto sent = co_await stream.send(*piece);
        if (!sent) {
            co_return attempt.client_left();
        }
    }
}

Task<Ending>
pass_stream(Attempt& attempt, net::UpstreamConnection& upstream, const net::ResponseHead& head) {
    Stream stream{attempt, upstream};
    FirstContent first{attempt.request.dialect, attempt.job.route.operation};
    if (const auto ending = co_await hold_back(stream, first)) {
        co_return *ending;
    }
    begin_answer(attempt, head, std::nullopt);
    stream.accounting.tap.begin(first.bytes());
    const auto sent = co_await stream.send(first.bytes());
    if (!sent) {
        co_return attempt.client_left();
    }
    co_return co_await relay_rest(stream);
}

}  // namespace

bool is_stream(Dialect dialect, const net::ResponseHead& head) {
    if (head.headers.has("Content-Encoding")) {
        return false;  // opaque: it cannot be cut at event borders
    }
    const std::string_view type = head.headers.find("Content-Type");
    return type.starts_with("text/event-stream") ||
           (framing_of(dialect) == Framing::lines && type.starts_with("application/x-ndjson"));
}

bool is_another_shape(const Attempt& attempt, const net::ResponseHead& head) {
    const Operation operation = attempt.job.route.operation;
    if (operation != Operation::chat && operation != Operation::completion) {
        return false;
    }
    const bool json = head.headers.find("Content-Type").starts_with("application/json") &&
                      !head.headers.has("Content-Encoding");
    return attempt.job.stream ? json : is_stream(attempt.request.dialect, head);
}

Task<Ending>
pass_answer(Attempt& attempt, net::UpstreamConnection& upstream, const net::ResponseHead& head) {
    if (is_stream(attempt.request.dialect, head)) {
        return pass_stream(attempt, upstream, head);
    }
    return pass_whole(attempt, upstream, head);
}

}  // namespace nova::gateway

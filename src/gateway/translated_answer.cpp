// Reader, events, writer.
#include "gateway/translated_answer.hpp"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "core/result.hpp"
#include "dialect/codec.hpp"
#include "dialect/ollama_answer.hpp"
#include "dialect/whole_answer.hpp"
#include "gateway/first_content.hpp"
#include "gateway/relay_errors.hpp"
#include "gateway/same_dialect_answer.hpp"
#include "gateway/upstream_read.hpp"

namespace nova::gateway {
namespace {

using dialect::ChatEvent;

// Of a whole answer, whichever side wants it whole.
constexpr std::size_t kWholeBytes = 64U * 1024U * 1024U;

// The writer's first id stands only where the provider gives none.
dialect::AnswerIdentity identity_of(const RelayJob& job) {
    dialect::AnswerIdentity identity;
    identity.id = "chatcmpl-" + job.request_id;
    identity.model = job.peek.model.empty() ? job.upstream_model : job.peek.model;
    identity.created = std::chrono::duration_cast<std::chrono::seconds>(
                           job.worker.clock.wall_now().time_since_epoch()
    )
                           .count();
    identity.include_usage = job.peek.include_usage;
    identity.clock = &job.worker.clock;
    return identity;
}

std::vector<net::HeaderView> fields_of(const OwnFields& own, std::string_view content_type) {
    std::vector<net::HeaderView> fields{own.view().begin(), own.view().end()};
    fields.push_back({"Content-Type", content_type});
    if (content_type != "application/json") {
        fields.push_back({"Cache-Control", "no-cache"});
    }
    return fields;
}

class Translation {
public:
    Translation(Attempt& attempt, net::UpstreamConnection& upstream, const net::ResponseHead& head)
        : attempt_{attempt}, upstream_{upstream}, status_{head.status},
          reader_{dialect::codec_of(attempt.request.dialect)
                      .reader(is_stream(attempt.request.dialect, head))},
          writer_{attempt.job.codec().writer(identity_of(attempt.job), attempt.job.stream)},
          stream_{attempt.job.stream} {}

    Translation(const Translation&) = delete;
    Translation& operator=(const Translation&) = delete;

    ~Translation() {
        if (!attempt_.committed) {
            return;
        }
        const bool unfinished = !finished_ && usage_.completion.value_or(0) < content_events_;
        if (stream_ && (!usage_.completion || unfinished)) {
            usage_.completion = content_events_;
            attempt_.job.usage_counted = true;
        }
        attempt_.job.usage = usage_;
    }

    Task<Ending> run() {
        for (;;) {
            auto piece = upstream_.buffered_body();
            if (!piece) {
                piece = co_await wait_for_piece(attempt_, upstream_, heartbeat());
            }
            attempt_.count_bytes(upstream_);
            if (!*piece) {
                co_return co_await broke_off(attempt_.failed(piece->error()));
            }
            const bool over = (*piece)->empty();
            received_ += (*piece)->size();
            if (over) {
                reader_->end(events_);
            } else {
                reader_->feed(**piece, events_);
            }
            if (!stream_ && received_ > kWholeBytes) {
                co_return attempt_.ended(Ended::broken, too_large());
            }
            if (const auto ending = co_await pass_on(over)) {
                co_return *ending;
            }
        }
    }

private:
    Heartbeat heartbeat() const {
        return writer_->content_type() == "text/event-stream" ? Heartbeat::between_events
                                                              : Heartbeat::no;
    }

    Error too_large() const {
        return Error{
            .code = ErrorCode::upstream_failed,
            .message = fmt::format("{} answered with too much.", attempt_.upstream->provider),
            .word = "upstream_broken_answer",
        };
    }

    Task<Ending> broke_off(Ending ending) {
        if (attempt_.committed && ending.how != Ended::client_left) {
            co_await end_badly(attempt_, stream_ ? Shape::stream : Shape::whole);
        }
        co_return ending;
    }

    // Notes what an event says for the record; the error of a failed one is kept.
    void note(const ChatEvent& event) {
        if (dialect::is_content(event)) {
            ++content_events_;
        } else if (const auto* usage = std::get_if<dialect::Usage>(&event)) {
            dialect::merge(usage_, *usage);
        } else if (std::holds_alternative<dialect::Finished>(event)) {
            finished_ = true;
        } else if (const auto* failed = std::get_if<dialect::Failed>(&event)) {
            failure_ = failed->error;
        }
    }

    // Nobody hears them before the commit, and they press for none. Were there some?
    bool drop_keep_alives() {
        const auto dropped = std::erase_if(events_, [](const ChatEvent& event) {
            return std::holds_alternative<dialect::KeepAlive>(event);
        });
        noted_ = events_.size();
        return dropped > 0;
    }

    // What of the events may leave now. Empty: more is to come.
    Task<std::optional<Ending>> pass_on(bool over) {
        while (noted_ < events_.size() && !failure_) {
            note(events_[noted_++]);
        }
        if (failure_) {
            const Ending ending = attempt_.ended(Ended::error_event, *failure_);
            co_return co_await broke_off(ending);
        }
        const bool waited_long =
            !attempt_.committed && drop_keep_alives() && attempt_.worker.clock.now() >= enough_;
        if (!stream_ && !over) {
            co_return std::nullopt;
        }
        if (!stream_) {
            co_return co_await answer_whole();
        }
        const bool much = events_.size() >= FirstContent::kEvents || waited_long;
        if (!attempt_.committed && !over && !much && content_events_ == 0) {
            co_return std::nullopt;
        }
        write_events();
        if (over) {
            writer_->end(out_);
        }
        if (!attempt_.committed) {
            if (const auto failure = writer_->failure()) {
                co_return attempt_.ended(Ended::broken, *failure);
            }
            const OwnFields own{attempt_.job, attempt_.upstream.get()};
            const auto fields = fields_of(own, writer_->content_type());
            attempt_.commit(status_);
            attempt_.job.exchange.begin(status_, fields, std::nullopt);
        }
        const auto sent = co_await attempt_.job.exchange.write(out_);
        if (!sent) {
            co_return attempt_.client_left();
        }
        if (!over) {
            co_return std::nullopt;
        }
        co_return attempt_.served();
    }

    void write_events() {
        out_.clear();
        for (const ChatEvent& event : events_) {
            writer_->write(event, out_);
        }
        events_.clear();
        noted_ = 0;
    }

    Task<Ending> answer_whole() {
        write_events();
        writer_->end(out_);
        if (const auto failure = writer_->failure()) {
            co_return attempt_.ended(Ended::broken, *failure);
        }
        attempt_.job.usage = usage_;  // the head says what it shows
        const OwnFields own{attempt_.job, attempt_.upstream.get()};
        const auto fields = fields_of(own, writer_->content_type());
        attempt_.commit(status_);
        attempt_.job.exchange.begin(status_, fields, out_.size());
        const auto sent = co_await attempt_.job.exchange.write(out_);
        co_return sent ? attempt_.served() : attempt_.client_left();
    }

    Attempt& attempt_;
    net::UpstreamConnection& upstream_;
    int status_;
    std::unique_ptr<dialect::AnswerReader> reader_;
    std::unique_ptr<dialect::AnswerWriter> writer_;
    bool stream_;  // what the client gets
    std::vector<ChatEvent> events_;
    std::size_t noted_ = 0;
    TimePoint enough_ = attempt_.worker.clock.now() + attempt_.worker.policy.keep_alive_hold;
    std::optional<Error> failure_;
    std::string out_;
    std::size_t received_ = 0;
    dialect::Usage usage_{};
    std::uint64_t content_events_ = 0;
    bool finished_ = false;
};

Task<Ending>
translate_chat(Attempt& attempt, net::UpstreamConnection& upstream, const net::ResponseHead& head) {
    Translation translation{attempt, upstream, head};
    co_return co_await translation.run();
}

Task<Ending> translate_embedding(
    Attempt& attempt, net::UpstreamConnection& upstream, const net::ResponseHead& head
) {
    RelayJob& job = attempt.job;
    const int status = head.status;
    std::string body;
    for (;;) {
        const auto piece = co_await wait_for_piece(attempt, upstream, Heartbeat::no);
        attempt.count_bytes(upstream);
        if (!piece) {
            co_return attempt.failed(piece.error());
        }
        if (piece->empty()) {
            break;
        }
        body.append(*piece);
        if (body.size() > kWholeBytes) {
            co_return attempt.failed(
                {.code = ErrorCode::upstream_failed, .message = "The answer is too large."}
            );
        }
    }
    const auto answer = dialect::codec_of(attempt.request.dialect).read_embed_answer(body);
    const auto asked = job.codec().read_embed(job.body);
    if (!answer || !asked) {
        co_return attempt.ended(Ended::broken, answer ? asked.error() : answer.error());
    }
    const std::string text = job.codec().write_embed_answer(*answer, *asked);
    const OwnFields own{job, attempt.upstream.get()};
    const auto fields = fields_of(own, "application/json");
    attempt.commit(status);
    job.usage.prompt = answer->prompt_tokens;
    job.exchange.begin(status, fields, text.size());
    const auto sent = co_await job.exchange.write(text);
    co_return sent ? attempt.served() : attempt.client_left();
}

}  // namespace

Task<Ending> translate_answer(
    Attempt& attempt, net::UpstreamConnection& upstream, const net::ResponseHead& head
) {
    if (attempt.job.route.operation == Operation::embedding) {
        return translate_embedding(attempt, upstream, head);
    }
    return translate_chat(attempt, upstream, head);
}

Task<Ending> answer_nothing(RelayJob& job) {
    job.answering.reset();
    const auto request = job.chat_request();
    NOVA_CHECK(request.has_value());  // request_for read it
    const auto writer = job.codec().writer(identity_of(job), job.stream);
    std::string text;
    for (const ChatEvent& event : dialect::ollama::nothing_asked(**request)) {
        writer->write(event, text);
    }
    writer->end(text);
    const OwnFields own{job, nullptr};
    const auto fields = fields_of(own, writer->content_type());
    job.status = 200;
    job.exchange.begin(job.status, fields, text.size());
    const auto sent = co_await job.exchange.write(text);
    co_return Ending{.how = sent ? Ended::served : Ended::client_left, .committed = true};
}

}  // namespace nova::gateway

// One connection's exchange of messages, and the stack of idle ones per endpoint.
#include "net/upstream.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace nova::net {
namespace {

// Between two slices of a long body it is checked whether the peer has answered already (trap 21).
constexpr std::size_t kSliceBytes = 256U * 1024U;
// 1xx answers in front of one final answer; more is somebody playing.
constexpr int kInterimAnswers = 16;

std::unexpected<Error> answer_failed(std::string_view what) {
    return fail(
        ErrorCode::upstream_failed, "The upstream's answer is invalid: " + std::string{what}
    );
}

}  // namespace

UpstreamConnection::UpstreamConnection(std::unique_ptr<Connection> connection, HeadLimits limits)
    : connection_{std::move(connection)}, limits_{limits} {}

Task<Result<void>>
UpstreamConnection::send(std::string_view head, std::string_view body, std::string_view method) {
    method_ = method;
    head_.status = 0;
    body_.reset();
    received_ = 0;
    sent_completely_ = false;
    const std::string_view first[] = {head, body.substr(0, kSliceBytes)};
    const auto now = connection_->write_now(first);
    Result<void> sent = now ? Result<void>{} : propagate(now);
    if (now && *now < first[0].size() + first[1].size()) {
        sent = co_await connection_->write_rest(first, *now);
    }
    body.remove_prefix(std::min(body.size(), kSliceBytes));
    while (sent && !body.empty()) {
        if (co_await connection_->answered_early()) {
            co_return Result<void>{};  // it answers before the end: the rest would be wasted
        }
        const std::string_view slice[] = {body.substr(0, kSliceBytes)};
        sent = co_await connection_->write_all(slice);
        body.remove_prefix(std::min(body.size(), kSliceBytes));
    }
    sent_completely_ = sent.has_value();
    if (!sent && sent.error().code == ErrorCode::unavailable) {
        // It closed, perhaps after an answer that is still in our receive buffer.
        const auto size = filled(co_await connection_->read_some(buffer_.room()));
        if (size && *size > 0) {
            co_return Result<void>{};
        }
    }
    if (!sent) {
        failed_ = true;
    }
    co_return sent;
}

Task<Result<const ResponseHead*>> UpstreamConnection::read_head() {
    std::size_t scanned = 0;
    for (int interim = 0; interim < kInterimAnswers;) {
        const std::string_view unread = buffer_.unread();
        const auto length = find_head_end(unread, scanned, limits_);
        if (!length) {
            failed_ = true;
            co_return answer_failed(length.error().message);
        }
        if (*length == 0) {
            scanned = unread.size();
            const auto size = filled(co_await connection_->read_some(buffer_.room()));
            if (!size) {
                co_return propagate(size);
            }
            if (*size == 0) {
                failed_ = true;
                co_return fail(
                    received_ == 0 ? ErrorCode::unavailable : ErrorCode::upstream_failed,
                    "The upstream closed the connection before its answer was complete."
                );
            }
            continue;
        }
        head_bytes_.assign(unread.substr(0, *length));
        buffer_.take(*length);
        scanned = 0;
        auto head = parse_response_head(head_bytes_, std::move(head_));
        if (!head) {
            failed_ = true;
            co_return answer_failed(head.error().message);
        }
        head_ = *std::move(head);
        if (head_.status >= 200) {
            const auto framing = response_framing(head_, method_);
            if (!framing) {
                failed_ = true;
                co_return propagate(framing);
            }
            framing_ = *framing;
            body_.emplace(framing_);
            co_return &head_;
        }
        if (head_.status == 101) {
            break;
        }
        ++interim;
    }
    failed_ = true;
    co_return answer_failed("it does not end its interim answers.");
}

Task<Result<std::string_view>> UpstreamConnection::read_body_some() {
    while (true) {
        if (auto buffered = buffered_body()) {
            co_return *std::move(buffered);
        }
        const auto size = filled(co_await connection_->read_some(buffer_.room()));
        if (!size) {
            co_return propagate(size);
        }
        if (*size == 0) {
            const auto ended = body_->end_of_input();
            if (!ended) {
                failed_ = true;
                co_return fail(
                    ErrorCode::upstream_failed, "The upstream closed the connection in its answer."
                );
            }
        }
    }
}

std::optional<Result<std::string_view>> UpstreamConnection::buffered_body() {
    NOVA_CHECK(body_.has_value());
    while (!body_->done() && !buffer_.empty()) {
        auto data = take_buffered();
        if (!data || !data->empty()) {
            return data;
        }
    }
    if (body_->done()) {
        return std::string_view{};
    }
    return std::nullopt;
}

// What came together leaves together: the data of all buffered chunks is moved over the chunk heads
// between them, so that a relay needs one write for one read.
Result<std::string_view> UpstreamConnection::take_buffered() {
    if (broken_) {
        return fail(*broken_);
    }
    char* const start = buffer_.data();
    std::size_t first = 0;
    std::size_t kept = 0;
    while (!buffer_.empty() && !body_->done()) {
        const auto step = body_->next(buffer_.unread());
        if (!step) {
            failed_ = true;
            broken_ = answer_failed(step.error().message).error();
            break;
        }
        if (!step->data.empty()) {
            if (kept == 0) {
                first = static_cast<std::size_t>(step->data.data() - start);
            } else {
                std::memmove(start + first + kept, step->data.data(), step->data.size());
            }
            kept += step->data.size();
        }
        buffer_.take(step->consumed);
    }
    if (kept == 0 && broken_) {
        return fail(*broken_);
    }
    return std::string_view{start + first, kept};
}

bool UpstreamConnection::body_done() const {
    return body_ && body_->done();
}

bool UpstreamConnection::reusable() const {
    if (failed_) {
        return false;
    }
    if (method_.empty()) {
        return true;  // nothing was ever asked
    }
    return sent_completely_ && body_done() && framing_.keep_alive && buffer_.empty();
}

// What a read into the room gave; 0 is the end of input.
Result<std::size_t> UpstreamConnection::filled(Result<std::size_t> size) {
    if (size) {
        buffer_.filled(*size);
        received_ += *size;
    } else {
        failed_ = true;
    }
    return size;
}

struct UpstreamPool::Idle {
    std::unique_ptr<UpstreamConnection> connection;
    TimePoint since;
};

UpstreamPool::UpstreamPool(Clock& clock, TlsClient* tls, Limits limits)
    : clock_{clock}, tls_{tls}, limits_{limits} {}

UpstreamPool::~UpstreamPool() = default;

// Oldest in front: those past the limit go, the newest is the least likely to be stale.
void UpstreamPool::drop_old(std::vector<Idle>& stack, TimePoint now) const {
    const TimePoint oldest = now - limits_.idle_limit;
    const auto young =
        std::ranges::find_if(stack, [&](const Idle& idle) { return idle.since >= oldest; });
    stack.erase(stack.begin(), young);
}

std::optional<UpstreamPool::Acquired> UpstreamPool::take_idle(const Endpoint& endpoint) {
    const auto found = idle_.find(endpoint);
    if (found == idle_.end()) {
        return std::nullopt;
    }
    std::vector<Idle>& stack = found->second;
    drop_old(stack, clock_.now());
    while (!stack.empty()) {
        Acquired acquired{.connection = std::move(stack.back().connection), .reused = true};
        stack.pop_back();
        if (acquired.connection->connection().nothing_heard()) {
            return acquired;
        }
    }
    return std::nullopt;
}

Task<Result<UpstreamPool::Acquired>>
UpstreamPool::acquire(Endpoint endpoint, Deadline deadline, Freshness freshness) {
    if (freshness == Freshness::any) {
        if (auto idle = take_idle(endpoint)) {
            co_return *std::move(idle);
        }
    }
    auto connection = co_await dial(std::move(endpoint), clock_, deadline, tls_);
    if (!connection) {
        co_return propagate(connection);
    }
    co_return Acquired{
        .connection = std::make_unique<UpstreamConnection>(*std::move(connection), limits_.head),
        .reused = false
    };
}

void UpstreamPool::release(
    const Endpoint& endpoint, std::unique_ptr<UpstreamConnection> connection
) {
    if (!connection || !connection->reusable()) {
        return;
    }
    connection->connection().expire_at(TimePoint::max());
    if (limits_.listens) {
        connection->connection().read_ahead();
    }
    std::vector<Idle>& stack = idle_[endpoint];
    const TimePoint now = clock_.now();
    drop_old(stack, now);
    if (stack.size() >= limits_.max_idle) {
        stack.erase(stack.begin());
    }
    stack.push_back({std::move(connection), now});
}

void UpstreamPool::clear() {
    idle_.clear();
}

void UpstreamPool::forget(const Endpoint& endpoint) {
    idle_.erase(endpoint);
}

std::size_t UpstreamPool::idle() const {
    std::size_t count = 0;
    for (const auto& [key, stack] : idle_) {
        count += stack.size();
    }
    return count;
}

}  // namespace nova::net

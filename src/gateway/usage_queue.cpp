// A ring with one writer and one reader.
#include "gateway/usage_queue.hpp"

namespace nova::gateway {

void EndedRequest::assign(const RequestRecord& record) {
    request_id.assign(record.request_id);
    route.assign(record.route);
    operation.assign(record.operation);
    model.assign(record.model);
    provider.assign(record.provider);
    upstream_model.assign(record.upstream_model);
    key_id.assign(record.key_id);
    key_name.assign(record.key_name);
    why.assign(record.why);
    end = record.end;
    stream = record.stream;
    local = record.local;
    usage_counted = record.usage_counted;
    prompt_cut = record.prompt_cut;
    status = record.status;
    attempts = record.attempts;
    began_at = record.began_at;
    total = record.total;
    first_content = record.first_content;
    upstream = record.upstream;
    usage = record.usage;
}

UsageQueue::Pushed UsageQueue::push(const RequestRecord& record) {
    const std::size_t at = pushed_.load(std::memory_order_relaxed);
    const std::size_t held = at - popped_.load(std::memory_order_acquire);
    if (held == kPlaces) {
        return Pushed::dropped;
    }
    if (!rows_) {
        rows_ = std::make_unique_for_overwrite<std::array<EndedRequest, kPlaces>>();
    }
    (*rows_)[at % kPlaces].assign(record);
    pushed_.store(at + 1, std::memory_order_release);
    return held + 1 == kPlaces / 2 ? Pushed::half_full : Pushed::done;
}

const EndedRequest* UsageQueue::front() const {
    const std::size_t at = popped_.load(std::memory_order_relaxed);
    if (at == pushed_.load(std::memory_order_acquire)) {
        return nullptr;
    }
    return &(*rows_)[at % kPlaces];
}

void UsageQueue::pop() {
    popped_.store(popped_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

}  // namespace nova::gateway

// Bookkeeping of one request.
#include "gateway/relay_job.hpp"

#include <utility>

#include "dialect/truncation.hpp"

namespace nova::gateway {
namespace {

// Attacker-chosen text does not grow logs and ledgers.
constexpr std::size_t kRecordedModel = 256;

// Text of more is rare, and reading it would keep the worker from others.
constexpr std::size_t kReadForCut = 256U * 1024U;

// OpenTelemetry's words.
std::string_view operation_word(Operation operation) {
    switch (operation) {
    case Operation::chat:
    case Operation::responses:
        return "chat";
    case Operation::completion:
        return "text_completion";
    case Operation::embedding:
        return "embeddings";
    case Operation::count_tokens:
        return "count_tokens";
    }
    return "chat";
}

// Upstreams choose the words of their errors; headers and labels take only tame ones.
std::string tame_word(const Error& error) {
    constexpr std::size_t kLongest = 48;
    const std::string_view word = error.name();
    return std::string{
        word.size() <= kLongest && is_safe_request_id(word) ? word : policy(error.code).word
    };
}

std::string request_id_for(const net::RequestHead& head, RequestIds& ids) {
    const std::string_view given = head.headers.find("X-Request-Id");
    return is_safe_request_id(given) ? std::string{given} : ids.next();
}

}  // namespace

std::string_view route_name(const Upstream& upstream) {
    if (upstream.where == Where::cloud) {
        return upstream.provider;
    }
    const std::string_view id = upstream.id.value;
    return id.substr(0, id.find('/'));
}

RelayJob::RelayJob(
    net::Exchange& the_exchange, WorkerState& the_worker, const RelayRoute& the_route
)
    : exchange{the_exchange}, worker{the_worker}, route{the_route},
      request_id{request_id_for(the_exchange.request(), the_worker.request_ids)},
      began{the_worker.clock.now()}, place{the_worker.jobs.size()},
      began_at_{the_worker.clock.wall_now()} {
    worker.jobs.push_back(this);
}

RelayJob::~RelayJob() {
    RelayJob* const last = worker.jobs.back();
    worker.jobs[place] = last;
    last->place = place;
    worker.jobs.pop_back();
    if (entered_) {
        worker.ports.gatekeeper->leave(*access);
    }
    if (worker.ports.gatekeeper != nullptr && access && (usage.prompt || usage.completion)) {
        worker.ports.gatekeeper->spend(
            *access, usage.prompt.value_or(0) + usage.completion.value_or(0)
        );
    }
    if (worker.ports.observer != nullptr) {
        tell();
    }
}

void RelayJob::tell() {
    RequestRecord record;
    record.request_id = request_id;
    record.route = route.pattern;
    record.operation = operation_word(route.operation);
    record.model = std::string_view{peek.model}.substr(0, kRecordedModel);
    if (answering) {
        record.provider = answering->provider;
        record.upstream_model = upstream_model.empty() ? record.model : upstream_model;
        record.local = answering->where == Where::local;
    }
    if (access) {
        record.key_id = access->key_id;
        record.key_name = access->key_name;
    }
    record.why = route_text_;
    record.end = end;
    record.status = status;
    record.stream = stream;
    record.attempts = attempts;
    record.began_at = began_at_;
    record.total = worker.clock.now() - began;
    if (first_content_at) {
        record.first_content = *first_content_at - began;
    }
    record.upstream = upstream_time;
    record.usage = usage;
    record.usage_counted = usage_counted;
    record.prompt_cut = answering && prompt_was_cut(*answering);
    worker.ports.observer->ended(record);
}

Result<void> RelayJob::enter() {
    if (worker.ports.gatekeeper == nullptr || !access) {
        return {};
    }
    auto entered = worker.ports.gatekeeper->enter(*access);
    entered_ = entered.has_value();
    return entered;
}

RunningRequest RelayJob::describe() const {
    RunningRequest request{
        .id = request_id,
        .route = std::string{route.pattern},
        .model = peek.model.substr(0, kRecordedModel),
        .provider = answering ? answering->provider : std::string{},
        .key_id = access ? access->key_id : std::string{},
        .key_name = access ? access->key_name : std::string{},
        .phase = {},
        .since = began_at_,
        .bytes = answer_bytes,
    };
    if (exchange.started()) {
        request.phase = "answering";
    } else if (answering) {
        request.phase = "asking";
    } else {
        request.phase = plan.loading ? "waiting" : "receiving";
    }
    return request;
}

const dialect::Codec& RelayJob::codec() const {
    return dialect::codec_of(route.dialect);
}

Result<const dialect::ChatRequest*> RelayJob::chat_request() {
    if (!chat_request_) {
        chat_request_ = std::make_unique<Result<dialect::ChatRequest>>(codec().read_request(body));
        if (*chat_request_) {
            (*chat_request_)->stream = stream;
            if ((*chat_request_)->model.empty()) {
                (*chat_request_)->model = peek.model;
            }
        }
    }
    if (!*chat_request_) {
        return propagate(*chat_request_);
    }
    return &**chat_request_;
}

// Only Ollama cuts what is too long and says nothing. A body that nobody has read so far is read
// only where its length alone does not say that it fits.
bool RelayJob::prompt_was_cut(const Upstream& upstream) {
    const bool generates =
        route.operation == Operation::chat || route.operation == Operation::completion;
    if (upstream.speaks != dialect::Dialect::ollama || !generates) {
        return false;
    }
    if (!chat_request_) {
        const bool names_room =
            body.size() <= kReadForCut && body.find("\"num_ctx\"") != std::string::npos;
        const bool may_be_cut =
            usage.prompt && dialect::most_prompt_tokens(body.size()) > *usage.prompt;
        if (body.size() > kReadForCut || (!names_room && !may_be_cut)) {
            return false;
        }
    }
    const auto request = chat_request();
    if (!request) {
        return false;
    }
    return dialect::prompt_was_cut({
        .least_tokens = dialect::least_prompt_tokens(**request),
        .counted = usage.prompt,
        .context = (*request)->context,
    });
}

void RelayJob::choose_model() {
    const RoutingTable& table = *worker.table;
    const RoutingTable& slot =
        route.operation == Operation::embedding && table.embed ? *table.embed : table;
    if (slot.local && !slot.local->models.empty()) {
        peek.model = slot.local->models.front();
    } else if (!slot.known_models.empty()) {
        peek.model = slot.known_models.front();
    } else if (!table.clouds.empty()) {
        peek.model = table.clouds.front()->default_model;
    }
}

void RelayJob::give_up(const Upstream& upstream, Error error) {
    const std::string word = tame_word(error);
    if (worker.ports.observer != nullptr) {
        worker.ports.observer->gave_up(upstream.provider, word);
    }
    given_up.push_back(
        {.who = std::string{route_name(upstream)}, .word = word, .error = std::move(error)}
    );
}

std::string_view RelayJob::route_text(const Upstream* upstream) {
    route_text_ = passed_over;
    const auto add = [this](std::string_view name) {
        route_text_.append(route_text_.empty() ? "" : " -> ").append(name);
    };
    for (const GivenUp& one : given_up) {
        add(one.who);
        route_text_.append("(").append(one.word).append(")");
    }
    // The last one's own refusal is what the client gets: it is named once.
    if (upstream != nullptr && (given_up.empty() || given_up.back().who != route_name(*upstream))) {
        add(route_name(*upstream));
    }
    return route_text_;
}

}  // namespace nova::gateway

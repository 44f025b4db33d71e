// Handlers of the control API.
#include "recovery/recovery_routes.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/json.hpp"
#include "lifecycle/slots.hpp"
#include "recovery/log_stream.hpp"

namespace nova::recovery {
namespace {

using net::Exchange;

constexpr std::size_t kMaxBody = std::size_t{256} * 1024;  // a wish is small
constexpr std::int64_t kMaxListed = 500;
constexpr std::int64_t kMaxLogLines = 5000;
constexpr std::string_view kJson = "application/json";

using Body = Task<void> (*)(Exchange&, RecoveryParts&);

Task<void> answer(Exchange& exchange, int status, std::string body) {
    ignore(co_await exchange.respond(status, kJson, body), "the client is gone");
}

Task<void> answer_json(Exchange& exchange, int status, const Json& value) {
    co_await answer(exchange, status, json_text(value));
}

Task<void> refuse(Exchange& exchange, Error error) {
    ignore(co_await exchange.respond_error(error), "the client is gone");
}

Task<void> answer_text(Exchange& exchange, Result<std::string> text) {
    if (text) {
        co_await answer(exchange, 200, std::move(*text));
    } else {
        co_await refuse(exchange, text.error());
    }
}

// A whole number of the query within bounds; fallback when it is not there.
Result<std::int64_t> query_number(
    const Exchange& exchange, std::string_view name, std::int64_t fallback, std::int64_t most
) {
    const auto [found, text] = net::query_parameter(exchange.request().query(), name);
    if (!found) {
        return fallback;
    }
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || number < 1 || number > most) {
        return fail(
            ErrorCode::invalid_argument,
            fmt::format("{} must be a number from 1 to {}.", name, most)
        );
    }
    return number;
}

// Who asked, for the record; a word of our own clients, not proof of anything.
std::string actor_of(const Exchange& exchange) {
    const std::string_view client = exchange.request().headers.find("X-Nova-Client");
    const std::array<std::string_view, 2> known{"cli", "dashboard"};
    return std::ranges::find(known, client) == known.end() ? "api" : std::string{client};
}

Task<Result<std::string>> known_engine(Exchange& exchange, RecoveryParts& parts) {
    std::string engine{exchange.parameter("backend")};
    if (engine == "custom") {
        co_return engine;
    }
    const auto engines = co_await parts.engines();
    if (std::ranges::find(engines, engine, &EngineStatus::backend) != engines.end()) {
        co_return engine;
    }
    std::vector<std::string> names;
    for (const EngineStatus& row : engines) {
        names.push_back(row.backend);
    }
    names.emplace_back("custom");
    co_return fail(Error{
        .code = ErrorCode::not_found,
        .message = fmt::format("There is no engine called \"{}\".", engine),
        .word = "engine_not_found",
        .remedy = fmt::format("Engines: {}.", fmt::join(names, ", "))
    });
}

// The slot of that name; an empty name is the local slot's.
Result<lifecycle::BackendControl*> slot_of(RecoveryParts& parts, std::string_view name) {
    if (name.empty() || name == lifecycle::kLocalSlot) {
        return &parts.backend;
    }
    if (name == lifecycle::kEmbedSlot && parts.embed != nullptr) {
        return parts.embed;
    }
    return fail(Error{
        .code = ErrorCode::not_found,
        .message = fmt::format("There is no slot called \"{}\".", name),
        .word = "slot_not_found",
        .remedy = fmt::format("Slots: {}.", fmt::join(lifecycle::kSlots, ", "))
    });
}

// As the query says it.
Result<lifecycle::BackendControl*> asked_slot(const Exchange& exchange, RecoveryParts& parts) {
    return slot_of(parts, net::query_parameter(exchange.request().query(), "slot").second);
}

std::vector<lifecycle::BackendControl*> slots_of(RecoveryParts& parts) {
    std::vector<lifecycle::BackendControl*> slots{&parts.backend};
    if (parts.embed != nullptr) {
        slots.push_back(parts.embed);
    }
    return slots;
}

Json slots_json(RecoveryParts& parts) {
    Json rows = Json::array();
    for (const lifecycle::BackendControl* slot : slots_of(parts)) {
        rows.push_back(backend_json(slot->status()));
    }
    return rows;
}

Task<void> set_desired(
    Exchange& exchange, lifecycle::BackendControl& slot, std::optional<engine::BackendSpec> spec,
    std::optional<lifecycle::Strategy> strategy = {}
) {
    const std::string backend = spec ? spec->engine.value : "none";
    lifecycle::Wish wish{
        .spec = std::move(spec), .actor = actor_of(exchange), .strategy = strategy
    };
    auto accepted = co_await slot.set_desired(std::move(wish));
    if (!accepted) {
        co_return co_await refuse(exchange, accepted.error());
    }
    // Whoever waits for it must not be told the outcome of an operation that ended long ago.
    if (accepted->already && slot.status().operation != accepted->operation) {
        accepted->operation = {};
    }
    const Json body = accepted_json(backend, *accepted);
    co_await answer_json(exchange, accepted->already ? 200 : 202, body);
}

// ---- GET

Task<void> get_backend(Exchange& exchange, RecoveryParts& parts) {
    const auto slot = asked_slot(exchange, parts);
    if (!slot) {
        co_return co_await refuse(exchange, slot.error());
    }
    co_await answer_json(exchange, 200, backend_json((*slot)->status()));
}

Task<void> get_slots(Exchange& exchange, RecoveryParts& parts) {
    co_await answer_json(exchange, 200, Json{{"slots", slots_json(parts)}});
}

Task<void> get_backends(Exchange& exchange, RecoveryParts& parts) {
    const auto engines = co_await parts.engines();
    std::vector<lifecycle::BackendStatus> statuses;
    for (const lifecycle::BackendControl* slot : slots_of(parts)) {
        statuses.push_back(slot->status());
    }
    co_await answer_json(exchange, 200, engines_json(engines, statuses));
}

Task<void> get_operations(Exchange& exchange, RecoveryParts& parts) {
    const auto limit = query_number(exchange, "limit", 50, kMaxListed);
    if (!limit) {
        co_return co_await refuse(exchange, limit.error());
    }
    const auto [narrowed, slot] = net::query_parameter(exchange.request().query(), "slot");
    if (const auto known = slot_of(parts, slot); !known) {
        co_return co_await refuse(exchange, known.error());
    }
    // The store does not know of slots: those of one are picked from all that may be listed.
    const auto rows =
        co_await parts.store.operations(static_cast<std::size_t>(narrowed ? kMaxListed : *limit));
    if (!rows) {
        co_return co_await refuse(exchange, rows.error());
    }
    Json list = Json::array();
    for (const store::OperationRow& row : *rows) {
        const auto value = parse_json(row.json, "The stored operation");
        const auto operation = value ? lifecycle::operation_from(*value) : propagate(value);
        // One unreadable row of an older nova must not hide the others.
        const bool shown = operation && (!narrowed || operation->slot.value == slot) &&
                           list.size() < static_cast<std::size_t>(*limit);
        if (shown) {
            list.push_back(operation_json(*operation));
        }
    }
    co_await answer_json(exchange, 200, Json{{"operations", std::move(list)}});
}

Task<void> get_operation(Exchange& exchange, RecoveryParts& parts) {
    const OperationId id{std::string{exchange.parameter("id")}};
    const auto row = co_await parts.store.operation(id);
    if (!row) {
        co_return co_await refuse(exchange, row.error());
    }
    if (!*row) {
        Error error{
            .code = ErrorCode::not_found,
            .message = fmt::format("There is no operation {}.", id.value),
            .word = "operation_not_found",
            .remedy = "Operations are kept for 24 hours after they end."
        };
        co_return co_await refuse(exchange, std::move(error));
    }
    const auto value = parse_json((*row)->json, "The stored operation");
    const auto operation = value ? lifecycle::operation_from(*value) : propagate(value);
    if (!operation) {
        co_return co_await refuse(exchange, operation.error());
    }
    co_await answer_json(exchange, 200, operation_json(*operation));
}

Task<void> get_events(Exchange& exchange, RecoveryParts& parts) {
    const Json hello{
        {"version", parts.version},
        {"time", rfc3339(parts.clock.wall_now())},
        {"backend", backend_json(parts.backend.status())},
        {"slots", slots_json(parts)},
    };
    EventSource source{parts.store, parts.feed, parts.clock, parts.event_limits};
    co_await stream_events(exchange, source, json_text(hello));
}

Task<void> get_logs(Exchange& exchange, RecoveryParts& parts) {
    const auto tail = query_number(exchange, "tail", 200, kMaxLogLines);
    const auto follow = query_number(exchange, "follow", 1, 1);
    if (!tail || !follow) {
        co_return co_await refuse(exchange, tail ? follow.error() : tail.error());
    }
    const auto slot = asked_slot(exchange, parts);
    if (!slot) {
        co_return co_await refuse(exchange, slot.error());
    }
    const auto lines = static_cast<std::size_t>(*tail);
    if (net::query_parameter(exchange.request().query(), "follow").first) {
        co_return co_await follow_log(exchange, **slot, parts.clock, lines);
    }
    const auto text = co_await (*slot)->log_tail(lines);
    if (!text) {
        co_return co_await refuse(exchange, text.error());
    }
    ignore(co_await exchange.respond(200, kLogType, *text), "the client is gone");
}

Task<void> get_hardware(Exchange& exchange, RecoveryParts& parts) {
    auto text = co_await parts.hardware.current();
    co_await answer_text(exchange, std::move(text));
}

Task<void> get_gpu_stats(Exchange& exchange, RecoveryParts& parts) {
    auto text = co_await parts.hardware.gpu_stats();
    co_await answer_text(exchange, std::move(text));
}

Task<void> get_live(Exchange& exchange, RecoveryParts& parts) {
    co_await answer_json(exchange, 200, Json{{"status", "ok"}, {"version", parts.version}});
}

Task<void> get_ready(Exchange& exchange, RecoveryParts& parts) {
    const Readiness state = parts.readiness();
    const Json body{{"status", state.ready ? "ok" : "unavailable"}, {"detail", state.detail}};
    co_await answer_json(exchange, state.ready ? 200 : 503, body);
}

// ---- POST, DELETE

// contract.md 7: under cloud-only no local image, model or process is fetched or started.
std::optional<Error> start_refused(const RecoveryParts& parts) {
    return parts.start_refused ? parts.start_refused() : std::nullopt;
}

Task<void> settle_runtime(
    engine::BackendSpec& spec, const RecoveryParts& parts, lifecycle::BackendStatus status
) {
    if (spec.runtime != "auto" || spec.engine.value == "custom" || !parts.choose_runtime) {
        co_return;
    }
    // What runs already may stay where it runs: the same wish again is no wish to move.
    std::string now;
    const bool up =
        status.phase != lifecycle::Phase::failed && status.phase != lifecycle::Phase::stopped;
    if (status.wanted && up) {
        engine::BackendSpec same = *status.wanted;
        same.runtime = spec.runtime;
        if (engine::hash_of(same) == engine::hash_of(spec)) {
            now = status.wanted->runtime;
        }
    }
    spec.runtime = co_await parts.choose_runtime(spec.engine, std::move(now));
}

Task<void> post_start(Exchange& exchange, RecoveryParts& parts) {
    if (auto refused = start_refused(parts)) {
        co_return co_await refuse(exchange, std::move(*refused));
    }
    const auto engine = co_await known_engine(exchange, parts);
    if (!engine) {
        co_return co_await refuse(exchange, engine.error());
    }
    const auto body = co_await exchange.read_body(kMaxBody);
    const auto request = body ? start_request_from(*body) : propagate(body);
    const auto slot = request ? slot_of(parts, request->slot) : propagate(request);
    if (!slot) {
        co_return co_await refuse(exchange, slot.error());
    }
    auto spec = wish_from(*engine, *request, (*slot)->status());
    if (!spec) {
        co_return co_await refuse(exchange, spec.error());
    }
    co_await settle_runtime(*spec, parts, (*slot)->status());
    co_await set_desired(exchange, **slot, std::move(*spec), request->strategy);
}

Task<void> post_switch_model(Exchange& exchange, RecoveryParts& parts) {
    if (auto refused = start_refused(parts)) {
        co_return co_await refuse(exchange, std::move(*refused));
    }
    const auto engine = co_await known_engine(exchange, parts);
    if (!engine) {
        co_return co_await refuse(exchange, engine.error());
    }
    const auto body = co_await exchange.read_body(kMaxBody);
    const auto asked = body ? switch_model_from(*body) : propagate(body);
    const auto slot = asked ? slot_of(parts, asked->slot) : propagate(asked);
    if (!slot) {
        co_return co_await refuse(exchange, slot.error());
    }
    auto spec = wish_from(*engine, StartRequest{}, (*slot)->status());
    if (!spec) {  // never ran here: the model alone is the wish
        StartRequest request;
        request.model = asked->model;
        spec = wish_from(*engine, request, (*slot)->status());
    }
    if (!spec) {
        co_return co_await refuse(exchange, spec.error());
    }
    spec->model = ModelId{asked->model};
    co_await settle_runtime(*spec, parts, (*slot)->status());
    co_await set_desired(exchange, **slot, std::move(*spec));
}

Task<void> post_stop(Exchange& exchange, RecoveryParts& parts) {
    const auto body = co_await exchange.read_body(kMaxBody);
    const auto name = body ? stop_request_from(*body) : propagate(body);
    const auto slot = name ? slot_of(parts, *name) : propagate(name);
    if (!slot) {
        co_return co_await refuse(exchange, slot.error());
    }
    co_await set_desired(exchange, **slot, std::nullopt);
}

// The slot whose operation runs under that id; the local one says what is wrong with any other.
lifecycle::BackendControl& owner_of(RecoveryParts& parts, const std::string& operation) {
    for (lifecycle::BackendControl* slot : slots_of(parts)) {
        const auto running = slot->status().operation;
        if (running && running->value == operation) {
            return *slot;
        }
    }
    return parts.backend;
}

Task<void> delete_operation(Exchange& exchange, RecoveryParts& parts) {
    const std::string id{exchange.parameter("id")};
    const auto cancelled = co_await owner_of(parts, id).cancel(OperationId{id});
    if (!cancelled) {
        co_return co_await refuse(exchange, cancelled.error());
    }
    co_await answer_json(exchange, 202, Json{{"status", "cancelling"}, {"operation", id}});
}

Task<void> post_detect(Exchange& exchange, RecoveryParts& parts) {
    const auto forget = query_number(exchange, "forget", 0, 1);
    if (!forget) {
        co_return co_await refuse(exchange, forget.error());
    }
    auto text = co_await parts.hardware.detect(
        *forget == 1 ? hardware::Overwrite::replace : hardware::Overwrite::keep_richer
    );
    co_await answer_text(exchange, std::move(text));
}

// ---- the table

struct Row {
    std::string_view method;
    std::string_view pattern;
    Body body;
};

constexpr std::array<Row, 16> kRows{{
    {"GET", "/inference/backend", get_backend},
    {"GET", "/inference/slots", get_slots},
    {"GET", "/inference/backends", get_backends},
    {"POST", "/inference/backend/stop", post_stop},
    {"POST", "/inference/backend/{backend}/start", post_start},
    {"POST", "/inference/backend/{backend}/switch-model", post_switch_model},
    {"GET", "/inference/backend/logs", get_logs},
    {"GET", "/inference/operations", get_operations},
    {"GET", "/inference/operations/{id}", get_operation},
    {"DELETE", "/inference/operations/{id}", delete_operation},
    {"GET", "/inference/events", get_events},
    {"GET", "/hardware", get_hardware},
    {"POST", "/hardware/detect", post_detect},
    {"GET", "/hardware/gpu-stats", get_gpu_stats},
    {"GET", "/inference/hardware", get_hardware},
    {"GET", "/inference/hardware/gpu-stats", get_gpu_stats},
}};

// Credentials are looked at before anything of the request is read or acted on.
Task<void> guarded(Exchange& exchange, RecoveryParts& parts, Body body) {
    const auto admitted = parts.auth.check(exchange.request().headers, exchange.peer());
    if (!admitted) {
        co_return co_await refuse(exchange, admitted.error());
    }
    co_await body(exchange, parts);
}

}  // namespace

void add_health_routes(net::RouteTable& table, RecoveryParts& parts, const std::string& prefix) {
    table.add("GET", prefix + "/health/live", [&parts](Exchange& e) { return get_live(e, parts); });
    table.add("GET", prefix + "/health/ready", [&parts](Exchange& e) {
        return get_ready(e, parts);
    });
}

void add_recovery_routes(net::RouteTable& table, RecoveryParts& parts) {
    for (const std::string base : {"/api/v1/recovery", "/recovery-api/api/v1/recovery"}) {
        for (const Row& row : kRows) {
            table.add(
                std::string{row.method}, base + std::string{row.pattern},
                [&parts, body = row.body](Exchange& exchange) {
                    return guarded(exchange, parts, body);
                }
            );
        }
        add_health_routes(table, parts, base);
    }
}

}  // namespace nova::recovery

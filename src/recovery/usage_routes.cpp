// Handlers of usage and of running requests.
#include "recovery/usage_routes.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "recovery/guarded_route.hpp"
#include "recovery/time_text.hpp"

namespace nova::recovery {
namespace {

using store::UsageGroup;
using store::UsageSum;

constexpr std::array<std::pair<std::string_view, UsageGroup>, 4> kGroups{{
    {"model", UsageGroup::model},
    {"provider", UsageGroup::provider},
    {"key", UsageGroup::key},
    {"day", UsageGroup::day},
}};
constexpr std::chrono::days kUsualSpan{30};

Result<WallTime>
asked_time(const net::Exchange& exchange, std::string_view name, WallTime otherwise) {
    const auto [given, text] = net::query_parameter(exchange.request().query(), name);
    if (!given) {
        return otherwise;
    }
    const auto time = time_from(text);
    if (!time) {
        return fail(
            ErrorCode::invalid_argument, fmt::format("{} is not a time.", name),
            "Write it as 2026-11-23 or 2026-11-23T10:00:00Z."
        );
    }
    return *time;
}

Result<std::pair<std::string_view, UsageGroup>> asked_group(const net::Exchange& exchange) {
    const auto [given, text] = net::query_parameter(exchange.request().query(), "group_by");
    const std::string word = given ? text : "model";
    for (const auto& row : kGroups) {
        if (row.first == word) {
            return row;
        }
    }
    return fail(ErrorCode::invalid_argument, "group_by is none of model, provider, key, day.");
}

void put_tokens(Json& row, const char* key, const std::optional<std::uint64_t>& value) {
    if (value) {
        row[key] = *value;
    }
}

Json sum_json(const UsageSum& sum) {
    Json row{
        {"requests", sum.requests},
        {"not_served", sum.not_served},
        {"requests_without_usage", sum.unknown},
        {"requests_counted_by_nova", sum.counted},
        {"duration_ms", sum.duration_ms},
    };
    put_tokens(row, "prompt_tokens", sum.prompt_tokens);
    put_tokens(row, "completion_tokens", sum.completion_tokens);
    put_tokens(row, "cached_tokens", sum.cached_tokens);
    return row;
}

Task<void> get_usage(net::Exchange& exchange, UsageParts& parts) {
    const WallTime now = parts.clock.wall_now();
    const auto to = asked_time(exchange, "to", now);
    const auto from = to ? asked_time(exchange, "from", *to - kUsualSpan) : to;
    if (!from) {
        co_return co_await answer_error(exchange, from.error());
    }
    const auto group = asked_group(exchange);
    if (!group) {
        co_return co_await answer_error(exchange, group.error());
    }
    if (parts.ledger == nullptr) {
        Error none{
            .code = ErrorCode::unavailable,
            .message = "There is no usage ledger.",
            .word = "no_ledger",
            .remedy = "Set usage.keep_days, or see nova's log for why it could not be opened.",
        };
        co_return co_await answer_error(exchange, std::move(none));
    }
    const auto rows =
        co_await parts.ledger->sums({.from = *from, .to = *to, .group = group->second});
    const auto whole = co_await parts.ledger->sums({.from = *from, .to = *to});
    if (!rows || !whole) {
        co_return co_await answer_error(exchange, rows ? whole.error() : rows.error());
    }
    Json list = Json::array();
    for (const UsageSum& sum : *rows) {
        Json row = sum_json(sum);
        row[group->first] = sum.group;
        if (group->second == UsageGroup::key && !sum.name.empty()) {
            row["key_name"] = sum.name;
        }
        list.push_back(std::move(row));
    }
    const Json body{
        {"from", rfc3339(*from)},
        {"to", rfc3339(*to)},
        {"group_by", group->first},
        {"rows", std::move(list)},
        {"total", sum_json(whole->empty() ? UsageSum{} : whole->front())},
    };
    co_await answer_json(exchange, 200, body);
}

Task<void> get_requests(net::Exchange& exchange, UsageParts& parts) {
    auto running = co_await parts.running();
    std::ranges::sort(running, {}, &RunningRequest::since);
    Json rows = Json::array();
    for (const RunningRequest& request : running) {
        Json row{
            {"id", request.id},       {"route", request.route},          {"model", request.model},
            {"phase", request.phase}, {"since", rfc3339(request.since)}, {"bytes", request.bytes},
        };
        const std::array<std::pair<const char*, const std::string*>, 3> texts{{
            {"provider", &request.provider},
            {"key", &request.key_id},
            {"key_name", &request.key_name},
        }};
        for (const auto& [key, text] : texts) {
            if (!text->empty()) {
                row[key] = *text;
            }
        }
        rows.push_back(std::move(row));
    }
    co_await answer_json(exchange, 200, Json{{"requests", std::move(rows)}});
}

}  // namespace

void add_usage_routes(net::RouteTable& table, UsageParts& parts) {
    add_guarded_route(table, parts.auth, "GET", "/usage", [&parts](net::Exchange& exchange) {
        return get_usage(exchange, parts);
    });
    add_guarded_route(
        table, parts.auth, "GET", "/inference/requests",
        [&parts](net::Exchange& exchange) { return get_requests(exchange, parts); }
    );
}

}  // namespace nova::recovery

// keys, usage: who may use the gateway, and who did.
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/commands_json.hpp"
#include "core/json.hpp"

namespace nova::app {
namespace {

// "30d", "12h", "90m", "45s" in seconds; empty: it is a time, or nonsense, which nova will say.
std::optional<std::int64_t> seconds_of(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end + 1 != text.data() + text.size()) {
        return std::nullopt;
    }
    constexpr std::int64_t kMost = std::int64_t{100} * 366 * 24 * 3600;
    const auto of = [number](std::int64_t unit) {
        return number > 0 && number <= kMost / unit ? std::optional{number * unit} : std::nullopt;
    };
    switch (*end) {
    case 's':
        return of(1);
    case 'm':
        return of(60);
    case 'h':
        return of(3600);
    case 'd':
        return of(std::int64_t{24} * 3600);
    default:
        return std::nullopt;
    }
}

Json wish_of(const KeyOptions& options) {
    Json wish{{"name", options.name}};
    if (!options.models.empty()) {
        wish["models"] = options.models;
    }
    if (!options.providers.empty()) {
        wish["providers"] = options.providers;
    }
    if (options.never_cloud) {
        wish["never_cloud"] = true;
    }
    if (const auto seconds = seconds_of(options.expires)) {
        wish["expires_in_s"] = *seconds;
    } else if (!options.expires.empty()) {
        wish["expires_at"] = options.expires;
    }
    const auto limit = [&wish](const char* key, std::uint64_t value) {
        if (value != 0) {
            wish[key] = value;
        }
    };
    limit("requests_per_minute", options.requests_per_minute);
    limit("tokens_per_minute", options.tokens_per_minute);
    limit("concurrent", options.concurrent);
    return wish;
}

// "never cloud, models llama*, 60 requests/min"
std::string limits_of(const Json& key) {
    std::vector<std::string> parts;
    if (flag_in(key, "never_cloud") == Flag::on) {
        parts.emplace_back("never cloud");
    }
    for (const char* list : {"models", "providers"}) {
        std::vector<std::string> names;
        for (const Json& name : array_in(key, list)) {
            names.push_back(name.is_string() ? name.get<std::string>() : std::string{});
        }
        if (!names.empty()) {
            parts.push_back(fmt::format("{} {}", list, fmt::join(names, " ")));
        }
    }
    const std::pair<const char*, const char*> numbers[] = {
        {"requests_per_minute", "requests/min"},
        {"tokens_per_minute", "tokens/min"},
        {"concurrent", "at once"},
    };
    for (const auto& [name, unit] : numbers) {
        if (const auto value = count_in(key, name); value != 0) {
            parts.push_back(fmt::format("{} {}", value, unit));
        }
    }
    if (const std::string expires = text_in(key, "expires_at"); !expires.empty()) {
        parts.push_back("until " + expires);
    }
    return fmt::format("{}", fmt::join(parts, ", "));
}

// The id of what the user named by its name or its id.
Result<std::string> id_of(ControlClient& client, const std::string& named) {
    const auto answer = client.get("/keys");
    if (!answer) {
        return propagate(answer);
    }
    for (const char* member : {"id", "name"}) {
        for (const Json& key : array_in(*answer, "keys")) {
            if (text_in(key, member) == named) {
                return text_in(key, "id");
            }
        }
    }
    return fail(
        ErrorCode::not_found, fmt::format("There is no key called \"{}\".", named),
        "See them with: nova keys list"
    );
}

std::string tokens_or_dash(const Json& row, const char* key) {
    return row.contains(key) ? std::to_string(count_in(row, key)) : "-";
}

void print_sum(Terminal& terminal, std::string_view name, const Json& row) {
    terminal.line(printable(fmt::format(
        "{:<32} {:>9} {:>12} {:>12} {:>9}", name, count_in(row, "requests"),
        tokens_or_dash(row, "prompt_tokens"), tokens_or_dash(row, "completion_tokens"),
        count_in(row, "not_served")
    )));
}

}  // namespace

ExitCode keys_create_command(CommandContext& context, const KeyOptions& options) {
    auto client = ControlClient::open(context.client, context.environment);
    const auto made =
        client ? client->post("/keys", json_text(wish_of(options))) : propagate(client);
    if (!made) {
        return context.complain(made.error());
    }
    if (context.client.json) {
        context.terminal.line(json_text(*made));
        return ExitCode::ok;
    }
    context.terminal.line(printable(text_in(*made, "key")));
    context.terminal.note("Keep it: it is not shown again. Programs send it as their API key.");
    return ExitCode::ok;
}

ExitCode keys_list_command(CommandContext& context) {
    auto client = ControlClient::open(context.client, context.environment);
    const auto keys = client ? client->get("/keys") : propagate(client);
    if (!keys) {
        return context.complain(keys.error());
    }
    if (context.client.json) {
        context.terminal.line(json_text(*keys));
        return ExitCode::ok;
    }
    for (const Json& key : array_in(*keys, "keys")) {
        context.terminal.line(printable(fmt::format(
            "{:<14} {:<24} {:<25} {}", text_in(key, "id"), text_in(key, "name"),
            text_in(key, "created_at"), limits_of(key)
        )));
    }
    if (array_in(*keys, "keys").empty()) {
        context.terminal.note("There is no key. Make one with: nova keys create NAME");
    }
    return ExitCode::ok;
}

ExitCode keys_revoke_command(CommandContext& context, const std::string& name) {
    auto client = ControlClient::open(context.client, context.environment);
    const auto id = client ? id_of(*client, name) : propagate(client);
    const auto gone = id ? client->remove("/keys/" + *id) : propagate(id);
    if (!gone) {
        return context.complain(gone.error());
    }
    context.terminal.line(
        context.client.json ? json_text(*gone) : printable(fmt::format("{} is revoked.", name))
    );
    return ExitCode::ok;
}

ExitCode usage_command(CommandContext& context, const UsageOptions& options) {
    // A plus in a time zone would be read as a space.
    const auto escaped = [](std::string text) {
        for (auto at = text.find('+'); at != std::string::npos; at = text.find('+', at)) {
            text.replace(at, 1, "%2B");
        }
        return text;
    };
    std::string path = "/usage?group_by=" + options.group_by;
    if (!options.from.empty()) {
        path += "&from=" + escaped(options.from);
    }
    if (!options.to.empty()) {
        path += "&to=" + escaped(options.to);
    }
    auto client = ControlClient::open(context.client, context.environment);
    const auto usage = client ? client->get(path) : propagate(client);
    if (!usage) {
        return context.complain(usage.error());
    }
    if (context.client.json) {
        context.terminal.line(json_text(*usage));
        return ExitCode::ok;
    }
    Terminal& terminal = context.terminal;
    terminal.line(fmt::format(
        "{:<32} {:>9} {:>12} {:>12} {:>9}", options.group_by, "requests", "input", "output",
        "failed"
    ));
    for (const Json& row : array_in(*usage, "rows")) {
        const std::string name = text_in(row, "key_name", text_in(row, options.group_by.c_str()));
        print_sum(terminal, name.empty() ? "(no key)" : name, row);
    }
    print_sum(terminal, "total", object_in(*usage, "total"));
    return ExitCode::ok;
}

}  // namespace nova::app

// providers, mode, config: what a person sets while nova runs.
#include <functional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/commands_json.hpp"
#include "app/key_file.hpp"
#include "config/settings.hpp"
#include "core/json.hpp"

namespace nova::app {
namespace {

Result<std::string> key_from(const std::string& file) {
    std::string text = key_in(file);
    if (text.empty()) {
        return fail(
            ErrorCode::invalid_argument,
            fmt::format("--key-file {}: there is no key in its first line.", file)
        );
    }
    return text;
}

Result<Json> aliases_of(const std::vector<std::string>& pairs) {
    Json aliases = Json::object();
    for (const std::string& pair : pairs) {
        const auto equals = pair.find('=');
        if (equals == std::string::npos || equals == 0 || equals + 1 == pair.size()) {
            return fail(
                ErrorCode::invalid_argument,
                fmt::format("--alias {}: an alias is written NAME=MODEL.", pair)
            );
        }
        aliases[pair.substr(0, equals)] = pair.substr(equals + 1);
    }
    return aliases;
}

Result<Json> change_of(const ProviderOptions& options) {
    Json change = Json::object();
    const auto put = [&change](const char* name, const std::optional<std::string>& text) {
        if (text) {
            change[name] = *text;
        }
    };
    put("kind", options.kind);
    put("base_url", options.url);
    put("default_model", options.default_model);
    if (options.order) {
        change["order"] = *options.order;
    }
    if (options.enable || options.disable) {
        change["enabled"] = options.enable;
    }
    if (!options.models.empty()) {
        change["models"] = options.models;
    }
    if (!options.aliases.empty()) {
        auto aliases = aliases_of(options.aliases);
        if (!aliases) {
            return propagate(aliases);
        }
        change["aliases"] = std::move(*aliases);
    }
    if (options.key_file) {
        auto key = key_from(*options.key_file);
        if (!key) {
            return propagate(key);
        }
        change["secret"] = std::move(*key);
    }
    return change;
}

void show_provider(Terminal& terminal, const Json& row) {
    terminal.line(printable(fmt::format(
        "{:<12} {:<9} {:>4} models  {}{}", text_in(row, "id"), text_in(row, "state"),
        array_in(row, "models").size(), text_in(row, "base_url"),
        text_in(row, "default_model").empty() ? "" : ", default " + text_in(row, "default_model")
    )));
    // Requests do not reach it just now; the requests' own words say why.
    if (const std::string circuit = text_in(row, "circuit");
        !circuit.empty() && circuit != "closed") {
        terminal.line("             left alone for now: " + printable(circuit));
    }
    const Json& error = object_in(row, "error");
    for (const char* member : {"detail", "remedy"}) {
        if (const std::string text = text_in(error, member); !text.empty()) {
            terminal.line("             " + printable(text));
        }
    }
}

// Opens, asks, shows; json as it came.
ExitCode show_answer(
    CommandContext& context, const Result<Json>& answer,
    const std::function<void(const Json&)>& show
) {
    if (!answer) {
        return context.complain(answer.error());
    }
    if (context.client.json) {
        context.terminal.line(json_text(*answer));
    } else {
        show(*answer);
    }
    return ExitCode::ok;
}

std::string value_text(const Json& value) {
    return value.is_string() ? value.get<std::string>() : json_text(value);
}

// A value of the command line as the table types it; what does not fit is left to the server's
// sentence.
Json typed_value(const std::string& name, const std::string& text) {
    const config::SettingRow* row = config::find_setting(name);
    const auto value =
        row == nullptr ? Result<config::SettingValue>{text} : config::setting_from_text(*row, text);
    if (!value) {
        return text;
    }
    return std::visit([](const auto& plain) { return Json(plain); }, *value);
}

void explain_setting(Terminal& terminal, const Json& row) {
    const auto value = row.find("value");
    terminal.line(printable(fmt::format(
        "{} = {}", text_in(row, "name"), value == row.end() ? "(secret)" : value_text(*value)
    )));
    const std::string where = text_in(row, "where");
    terminal.line(printable(
        fmt::format("  from {}{}", text_in(row, "layer"), where.empty() ? "" : ": " + where)
    ));
    const Json& hidden = array_in(row, "hidden");
    for (auto layer = hidden.rbegin(); layer != hidden.rend(); ++layer) {
        terminal.line(printable(fmt::format(
            "  instead of {} ({})", value_text((*layer)["value"]), text_in(*layer, "layer")
        )));
    }
    if (text_in(row, "type") == "integer") {
        terminal.line(
            fmt::format("  from {} to {}", number_in(row, "least"), number_in(row, "most"))
        );
    }
    if (const Json& words = array_in(row, "words"); !words.empty()) {
        std::string list;
        for (const Json& word : words) {
            list += (list.empty() ? "" : ", ") + value_text(word);
        }
        terminal.line("  one of " + printable(list));
    }
    terminal.line("  " + printable(text_in(row, "sentence")));
    if (text_in(row, "applies") == "at_restart") {
        terminal.line("  A change is used after the next start of nova.");
    }
}

}  // namespace

ExitCode providers_list_command(CommandContext& context) {
    auto client = ControlClient::open(context.client, context.environment);
    const auto answer = client ? client->get("/providers") : propagate(client);
    return show_answer(context, answer, [&context](const Json& list) {
        const Json& rows = array_in(list, "providers");
        for (const Json& row : rows) {
            show_provider(context.terminal, row);
        }
        if (rows.empty()) {
            context.terminal.line("No provider is configured.");
            std::string known;
            for (const Json& row : array_in(list, "known")) {
                known += (known.empty() ? "" : ", ") + text_in(row, "id");
            }
            context.terminal.line("Known: " + printable(known));
            context.terminal.line("Add one with: nova providers add ID --key-file FILE");
        }
    });
}

ExitCode providers_add_command(CommandContext& context, const ProviderOptions& options) {
    const auto change = change_of(options);
    if (!change) {
        return context.complain(change.error());
    }
    auto client = ControlClient::open(context.client, context.environment);
    const auto answer = client ? client->send("PUT", "/providers/" + options.id, json_text(*change))
                               : propagate(client);
    return show_answer(context, answer, [&context](const Json& row) {
        show_provider(context.terminal, row);
    });
}

ExitCode providers_remove_command(CommandContext& context, const std::string& id) {
    auto client = ControlClient::open(context.client, context.environment);
    const auto answer = client ? client->remove("/providers/" + id) : propagate(client);
    return show_answer(context, answer, [&](const Json&) {
        context.terminal.line(fmt::format("{} is removed, and its key with it.", id));
    });
}

ExitCode providers_test_command(CommandContext& context, const std::string& id) {
    auto client = ControlClient::open(context.client, context.environment);
    const auto answer = client ? client->post("/providers/" + id + "/test") : propagate(client);
    const ExitCode shown = show_answer(context, answer, [&](const Json& told) {
        context.terminal.line(printable(fmt::format(
            "{}: {} ({:.0f} ms)", id, text_in(told, "observed"), number_in(told, "latency_ms")
        )));
        if (const std::string remedy = text_in(object_in(told, "error"), "remedy");
            !remedy.empty()) {
            context.terminal.line("  " + printable(remedy));
        }
    });
    if (shown != ExitCode::ok || flag_in(*answer, "ok") == Flag::on) {
        return shown;
    }
    const bool refused = text_in(object_in(*answer, "error"), "code") == "upstream_auth_error";
    return refused ? ExitCode::credentials : ExitCode::failed;
}

ExitCode mode_command(CommandContext& context, const std::string& mode) {
    auto client = ControlClient::open(context.client, context.environment);
    Result<Json> answer = client ? Result<Json>{Json()} : propagate(client);
    if (client) {
        answer = mode.empty() ? client->get("/mode")
                              : client->send("PUT", "/mode", json_text(Json{{"mode", mode}}));
    }
    return show_answer(context, answer, [&context](const Json& told) {
        context.terminal.line(
            fmt::format("{} (routing {})", text_in(told, "mode"), text_in(told, "strategy"))
        );
    });
}

ExitCode config_list_command(CommandContext& context) {
    auto client = ControlClient::open(context.client, context.environment);
    const auto answer = client ? client->get("/settings") : propagate(client);
    return show_answer(context, answer, [&context](const Json& list) {
        for (const Json& row : array_in(list, "settings")) {
            const auto value = row.find("value");
            context.terminal.line(printable(fmt::format(
                "{:<28} {:<24} {}", text_in(row, "name"),
                value == row.end() ? "(secret)" : value_text(*value), text_in(row, "layer")
            )));
        }
    });
}

ExitCode config_get_command(CommandContext& context, const ConfigOptions& options) {
    auto client = ControlClient::open(context.client, context.environment);
    const auto list = client ? client->get("/settings") : propagate(client);
    if (!list) {
        return context.complain(list.error());
    }
    const Json* row = setting_in(*list, options.name);
    if (row == nullptr) {
        return context.complain({
            .code = ErrorCode::not_found,
            .message = fmt::format("There is no setting called \"{}\".", options.name),
            .word = "setting_not_found",
            .remedy = "See nova config list",
        });
    }
    return show_answer(context, Result<Json>{*row}, [&](const Json& setting) {
        if (options.explain) {
            explain_setting(context.terminal, setting);
            return;
        }
        const auto value = setting.find("value");
        context.terminal.line(printable(value == setting.end() ? "(secret)" : value_text(*value)));
    });
}

ExitCode config_set_command(CommandContext& context, const ConfigOptions& options) {
    const Json value = options.unset ? Json() : typed_value(options.name, options.value);
    auto client = ControlClient::open(context.client, context.environment);
    const auto answer =
        client ? client->send("PATCH", "/settings", json_text(Json{{options.name, value}}))
               : propagate(client);
    return show_answer(context, answer, [&](const Json& list) {
        if (const Json* row = setting_in(list, options.name)) {
            explain_setting(context.terminal, *row);
        }
    });
}

}  // namespace nova::app

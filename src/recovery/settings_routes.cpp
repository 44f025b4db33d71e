// Reading, checking and storing settings.
#include "recovery/settings_routes.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace nova::recovery {
namespace {

using config::SettingChange;
using config::SettingRow;
using config::Settings;
using config::SettingType;
using config::SettingValue;
using net::Exchange;

constexpr std::size_t kMaxBody = std::size_t{256} * 1024;  // a wish is small

Json value_json(const SettingValue& value) {
    return std::visit([](const auto& plain) { return Json(plain); }, value);
}

std::string_view type_word(SettingType type) {
    switch (type) {
    case SettingType::integer:
        return "integer";
    case SettingType::boolean:
        return "boolean";
    case SettingType::word:
        return "word";
    case SettingType::text:
        return "text";
    }
    return "text";
}

Json words_of(std::string_view words) {
    Json list = Json::array();
    while (!words.empty()) {
        const auto bar = std::min(words.find('|'), words.size());
        list.push_back(words.substr(0, bar));
        words.remove_prefix(std::min(bar + 1, words.size()));
    }
    return list;
}

Json settings_json(const Settings& settings, const std::vector<std::string>& names) {
    Json rows = Json::array();
    for (const std::string& name : names) {
        if (const auto explained = settings.explain(name)) {
            rows.push_back(setting_json(*explained));
        }
    }
    return Json{{"settings", std::move(rows)}};
}

std::vector<std::string> all_names() {
    std::vector<std::string> names;
    for (const SettingRow& row : config::setting_table()) {
        names.emplace_back(row.name);
    }
    return names;
}

Json mode_json(const Settings& settings) {
    const std::string& mode = settings.text("mode");
    return {
        {"mode", mode},
        {"strategy", config::routing_strategy_of(mode, settings.text("routing_strategy"))},
        {"modes", words_of(config::find_setting("mode")->words)},
    };
}

Error no_such_setting(const std::string& name) {
    return Error{
        .code = ErrorCode::not_found,
        .message = fmt::format("There is no setting called \"{}\".", name),
        .word = "setting_not_found",
        .remedy = "See nova config list",
    };
}

Result<std::vector<SettingChange>> changes_from(std::string_view body) {
    const auto document = parse_json(body, "The body");
    if (!document) {
        return propagate(document);
    }
    if (!document->is_object() || document->empty()) {
        return fail(
            ErrorCode::invalid_argument, "The body must be an object of settings and their values."
        );
    }
    std::vector<SettingChange> changes;
    for (const auto& [name, value] : document->items()) {
        const SettingRow* row = config::find_setting(name);
        if (row == nullptr) {
            return fail(no_such_setting(name));
        }
        if (value.is_null()) {
            changes.push_back({.name = name});
            continue;
        }
        auto checked = config::setting_from_json(*row, value);
        if (!checked) {
            return propagate(checked);
        }
        changes.push_back({.name = name, .value = std::move(*checked)});
    }
    return changes;
}

std::vector<std::string> names_of(const std::vector<SettingChange>& changes) {
    std::vector<std::string> names;
    std::ranges::transform(changes, std::back_inserter(names), &SettingChange::name);
    return names;
}

Task<Result<void>> apply(SettingsAccess& access, std::vector<SettingChange> changes) {
    auto names = names_of(changes);
    const auto stored = co_await access.settings.change(std::move(changes));
    if (!stored) {
        co_return propagate(stored);
    }
    if (access.changed) {
        co_await access.changed(std::move(names));
    }
    co_return Result<void>{};
}

Task<void> get_settings(Exchange& exchange, SettingsAccess& access) {
    co_await answer_json(exchange, 200, settings_json(access.settings, all_names()));
}

Task<void> patch_settings(Exchange& exchange, SettingsAccess& access) {
    const auto body = co_await exchange.read_body(kMaxBody);
    auto changes = body ? changes_from(*body) : propagate(body);
    if (!changes) {
        co_return co_await answer_error(exchange, changes.error());
    }
    const auto names = names_of(*changes);
    const auto applied = co_await apply(access, std::move(*changes));
    if (!applied) {
        co_return co_await answer_error(exchange, applied.error());
    }
    co_await answer_json(exchange, 200, settings_json(access.settings, names));
}

Task<void> get_mode(Exchange& exchange, SettingsAccess& access) {
    co_await answer_json(exchange, 200, mode_json(access.settings));
}

Result<SettingValue> mode_from(std::string_view body) {
    const auto document = parse_json(body, "The body");
    if (!document) {
        return propagate(document);
    }
    JsonReader reader{*document, "body"};
    const std::string mode = reader.required_text("mode");
    if (reader.error()) {
        return fail(*reader.error());
    }
    return config::setting_from_text(*config::find_setting("mode"), mode);
}

Task<void> put_mode(Exchange& exchange, SettingsAccess& access) {
    const auto body = co_await exchange.read_body(kMaxBody);
    auto mode = body ? mode_from(*body) : propagate(body);
    if (!mode) {
        co_return co_await answer_error(exchange, mode.error());
    }
    std::vector<SettingChange> changes;
    changes.push_back({.name = "mode", .value = std::move(*mode)});
    const auto applied = co_await apply(access, std::move(changes));
    if (!applied) {
        co_return co_await answer_error(exchange, applied.error());
    }
    co_await answer_json(exchange, 200, mode_json(access.settings));
}

}  // namespace

Json setting_json(const Settings::Explained& explained) {
    const SettingRow& row = *explained.row;
    Json json{
        {"name", row.name},
        {"type", type_word(row.type)},
        {"layer", config::word(explained.value.layer)},
        {"sentence", row.sentence},
        {"applies", row.applies == config::Applies::at_once ? "at_once" : "at_restart"},
    };
    if (!row.variable.empty()) {
        json["variable"] = row.variable;
    }
    if (!explained.value.where.empty()) {
        json["where"] = explained.value.where;
    }
    if (row.type == SettingType::integer) {
        json["least"] = row.least;
        json["most"] = row.most;
    }
    if (row.type == SettingType::word) {
        json["words"] = words_of(row.words);
    }
    if (row.confidential == config::Confidential::yes) {
        json["confidential"] = true;
        return json;
    }
    json["value"] = value_json(explained.value.value);
    const auto built_in = config::setting_from_text(row, row.built_in);
    json["default"] = built_in ? value_json(*built_in) : Json();
    Json hidden = Json::array();
    for (const auto& layer : explained.hidden) {
        hidden.push_back(Json{
            {"layer", config::word(layer.layer)},
            {"where", layer.where},
            {"value", value_json(layer.value)},
        });
    }
    json["hidden"] = std::move(hidden);
    return json;
}

void add_settings_routes(net::RouteTable& table, AdminAuth& auth, SettingsAccess& access) {
    const auto add = [&](const char* method, const char* pattern,
                         Task<void> (*body)(Exchange&, SettingsAccess&)) {
        add_guarded_route(table, auth, method, pattern, [&access, body](Exchange& exchange) {
            return body(exchange, access);
        });
    };
    add("GET", "/settings", get_settings);
    add("PATCH", "/settings", patch_settings);
    add("GET", "/mode", get_mode);
    add("PUT", "/mode", put_mode);
}

}  // namespace nova::recovery

// The table of runtime settings, and the layers of their values.
#include "config/settings.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "config/engine_images.hpp"
#include "config/named_values.hpp"
#include "core/json.hpp"

namespace nova::config {
namespace {

using SettingType::boolean;
using SettingType::integer;

constexpr std::string_view kKeyPrefix = "setting/";
constexpr std::size_t kMaxText = 4096;

// Numbers of the lifecycle: contract.md 4; on_exit: decisions.md 1.8.
constexpr auto kRows = std::to_array<SettingRow>({
    {.name = "mode",
     .type = SettingType::word,
     .built_in = "hybrid",
     .words = "hybrid|local-only|cloud-only",
     .variable = "NOVA_INFERENCE_MODE",
     .sentence = "Where answers may come from: this machine, clouds, or both.",
     .applies = Applies::at_once},
    {.name = "routing_strategy",
     .type = SettingType::word,
     .built_in = "auto",
     .words = "auto|local-first|cloud-first",
     .variable = "NOVA_ROUTING_STRATEGY",
     .sentence = "Who is asked first in the mode hybrid; auto is local-first.",
     .applies = Applies::at_once},
    {.name = "routing_aliases",
     .type = SettingType::text,
     .built_in = "",
     .variable = "NOVA_ROUTING_ALIASES",
     .sentence = "Names that stand for models, as NAME=MODEL or NAME=PROVIDER/MODEL, with commas.",
     .applies = Applies::at_once},
    {.name = "start_limit_s",
     .type = integer,
     .built_in = "120",
     .least = 5,
     .most = 7200,
     .variable = "NOVA_START_LIMIT_S",
     .sentence = "Time an engine has from its start to its first good answer."},
    {.name = "drain_s",
     .type = integer,
     .built_in = "15",
     .least = 0,
     .most = 3600,
     .variable = "NOVA_DRAIN_S",
     .sentence = "Time running requests have to end before their engine is stopped."},
    {.name = "switch_strategy",
     .type = SettingType::word,
     .built_in = "auto",
     .words = "auto|drain|blue-green",
     .variable = "NOVA_SWITCH_STRATEGY",
     .sentence = "How a switch replaces an engine: the old one goes first, or runs until the new "
                 "one serves."},
    {.name = "probe_interval_s",
     .type = integer,
     .built_in = "30",
     .least = 1,
     .most = 3600,
     .variable = "NOVA_PROBE_INTERVAL_S",
     .sentence = "Time between two looks at a ready engine."},
    {.name = "probe_strikes",
     .type = integer,
     .built_in = "3",
     .least = 1,
     .most = 100,
     .variable = "NOVA_PROBE_STRIKES",
     .sentence = "Bad looks in a row after which an engine is restarted."},
    {.name = "probe_limit_s",
     .type = integer,
     .built_in = "5",
     .least = 1,
     .most = 600,
     .variable = "NOVA_PROBE_LIMIT_S",
     .sentence = "Time an engine has to answer a look; at most the time between two of them."},
    {.name = "busy_doubt_s",
     .type = integer,
     .built_in = "600",
     .least = 0,
     .most = 86400,
     .variable = "NOVA_BUSY_DOUBT_S",
     .sentence = "How long bad looks are forgiven to an engine that is seen to work."},
    {.name = "stall_limit_s",
     .type = integer,
     .built_in = "60",
     .least = 1,
     .most = 7200,
     .variable = "NOVA_STALL_LIMIT_S",
     .sentence = "Time without progress after which a load has stalled, start limit over."},
    {.name = "canary_interval_s",
     .type = integer,
     .built_in = "0",
     .least = 0,
     .most = 86400,
     .variable = "NOVA_CANARY_INTERVAL_S",
     .sentence = "Time between two completions of one token that try an idle engine; 0: none."},
    {.name = "canary_limit_s",
     .type = integer,
     .built_in = "30",
     .least = 1,
     .most = 3600,
     .variable = "NOVA_CANARY_LIMIT_S",
     .sentence = "Time an idle engine has for such a completion before it counts as hung."},
    {.name = "idle_unload_s",
     .type = integer,
     .built_in = "0",
     .least = 0,
     .most = 604800,
     .variable = "NOVA_IDLE_UNLOAD_S",
     .sentence =
         "Time without a request after which an engine is stopped until one comes; 0: never."},
    {.name = "on_exit",
     .type = SettingType::word,
     .built_in = "stop",
     .words = "stop|keep",
     .variable = "NOVA_ON_EXIT",
     .sentence = "What happens to a running engine when nova ends properly.",
     .applies = Applies::at_once},
    {.name = "gateway.open_loopback",
     .type = boolean,
     .built_in = "true",
     .variable = "NOVA_GATEWAY_OPEN_LOOPBACK",
     .sentence = "Programs on this machine may use the gateway without a key."},
    {.name = "gateway.stall_s",
     .type = integer,
     .built_in = "300",
     .least = 1,
     .most = 3600,
     .variable = "NOVA_GATEWAY_STALL_S",
     .sentence = "How long a reader may take no byte before its answer is cut."},
    {.name = "gateway.body_mib",
     .type = integer,
     .built_in = "32",
     .least = 1,
     .most = 1024,
     .variable = "NOVA_GATEWAY_BODY_MIB",
     .sentence = "Largest request body that is taken."},
    {.name = "gateway.upstream_timeout_s",
     .type = integer,
     .built_in = "600",
     .least = 1,
     .most = 86400,
     .variable = "NOVA_GATEWAY_UPSTREAM_TIMEOUT_S",
     .sentence = "How long an engine may send nothing before a request fails.",
     .applies = Applies::at_once},
    {.name = "gateway.first_content_s",
     .type = integer,
     .built_in = "1800",
     .least = 1,
     .most = 86400,
     .variable = "NOVA_GATEWAY_FIRST_CONTENT_S",
     .sentence = "Time a provider has for the first content of its answer; then the next is asked.",
     .applies = Applies::at_once},
    {.name = "gateway.total_s",
     .type = integer,
     .built_in = "0",
     .least = 0,
     .most = 604800,
     .variable = "NOVA_GATEWAY_TOTAL_S",
     .sentence = "Time a request has in all, whoever answers it; 0: no end.",
     .applies = Applies::at_once},
    {.name = "gateway.heartbeat_s",
     .type = integer,
     .built_in = "0",
     .least = 0,
     .most = 3600,
     .variable = "NOVA_GATEWAY_HEARTBEAT_S",
     .sentence =
         "How long an event stream may be silent before its client gets a comment; 0: never.",
     .applies = Applies::at_once},
    {.name = "gateway.access_log",
     .type = SettingType::word,
     .built_in = "all",
     .words = "all|failures|off",
     .variable = "NOVA_GATEWAY_ACCESS_LOG",
     .sentence = "Which requests get a line in nova's log; never what was asked or answered."},
    {.name = "usage.keep_days",
     .type = integer,
     .built_in = "90",
     .least = 0,
     .most = 3650,
     .variable = "NOVA_USAGE_KEEP_DAYS",
     .sentence = "How long the ledger remembers who used what; 0: there is no ledger."},
    {.name = "loading.wait_s",
     .type = integer,
     .built_in = "0",
     .least = 0,
     .most = 7200,
     .variable = "NOVA_LOADING_WAIT_S",
     .sentence = "How long a request waits for a model that is on its way, when it does not say.",
     .applies = Applies::at_once},
    {.name = "loading.wait_most_s",
     .type = integer,
     .built_in = "600",
     .least = 0,
     .most = 7200,
     .variable = "NOVA_LOADING_WAIT_MOST_S",
     .sentence = "The longest wait for a model that a request gets by asking for it.",
     .applies = Applies::at_once},
    {.name = "loading.places",
     .type = integer,
     .built_in = "64",
     .least = 0,
     .most = 4096,
     .variable = "NOVA_LOADING_PLACES",
     .sentence = "How many requests may wait for a model at once."},
    {.name = "logs.keep_runs",
     .type = integer,
     .built_in = "10",
     .least = 1,
     .most = 1000,
     .variable = "NOVA_LOGS_KEEP_RUNS",
     .sentence = "How many runs' logs are kept per engine."},
    {.name = "hub.url",
     .type = SettingType::text,
     .built_in = "https://huggingface.co",
     .variable = "NOVA_HUB_URL",
     .sentence = "Hugging Face hub that models come from, or a mirror of it."},
    {.name = "download.stall_s",
     .type = integer,
     .built_in = "60",
     .least = 1,
     .most = 3600,
     .variable = "NOVA_DOWNLOAD_STALL_S",
     .sentence = "How long a download may bring no byte before it is begun anew where it was."},
    {.name = "download.reserve_mib",
     .type = integer,
     .built_in = "512",
     .least = 0,
     .most = 1048576,
     .variable = "NOVA_DOWNLOAD_RESERVE_MIB",
     .sentence = "What a download leaves free on the disk."},
    {.name = "runtime",
     .type = SettingType::word,
     .built_in = "auto",
     .words = "auto|docker|process",
     .variable = "NOVA_RUNTIME",
     .sentence = "Where engines run: auto is Docker where a daemon answers, else a native program.",
     .applies = Applies::at_once},
    {.name = "docker.host",
     .type = SettingType::text,
     .built_in = "",
     .variable = "DOCKER_HOST",
     .sentence = "Docker's or Podman's socket, as unix:///PATH; empty: where they usually are."},
    {.name = "docker.images",
     .type = SettingType::text,
     .built_in = "",
     .variable = "NOVA_DOCKER_IMAGES",
     .sentence = "Images instead of the usual ones, as ENGINE=IMAGE, with commas between.",
     .applies = Applies::at_once},
});

std::unexpected<Error> refused(const SettingRow& row, std::string_view wanted) {
    return fail(
        ErrorCode::unprocessable, fmt::format("{} must be {}.", row.name, wanted),
        std::string{row.sentence}
    );
}

Result<SettingValue> checked_integer(const SettingRow& row, std::int64_t number) {
    if (number < row.least || number > row.most) {
        return refused(row, fmt::format("a whole number from {} to {}", row.least, row.most));
    }
    return SettingValue{number};
}

bool is_word_of(std::string_view words, std::string_view text) {
    while (!words.empty()) {
        const auto bar = std::min(words.find('|'), words.size());
        if (words.substr(0, bar) == text) {
            return true;
        }
        words.remove_prefix(std::min(bar + 1, words.size()));
    }
    return false;
}

bool is_port(std::string_view text) {
    unsigned port = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
    return code == std::errc{} && end == text.data() + text.size() && port > 0 && port <= 65535;
}

// No more than parse_hub_url of catalog takes, which reads it at the start: what it refused there
// could not be mended any more. http only to this machine.
bool is_hub_address(std::string_view text) {
    constexpr std::string_view kTls = "https://";
    constexpr std::string_view kPlain = "http://";
    const bool tls = text.starts_with(kTls);
    if (!tls && !text.starts_with(kPlain)) {
        return false;
    }
    text.remove_prefix(tls ? kTls.size() : kPlain.size());
    const std::string_view authority = text.substr(0, text.find('/'));
    const std::string_view path = text.substr(authority.size());
    const auto colon = authority.find(':', authority.starts_with('[') ? authority.find(']') : 0);
    const std::string_view host = authority.substr(0, colon);
    const bool named = !host.empty() && std::ranges::all_of(host, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.' || c == '_';
    });
    const bool here = host == "127.0.0.1" || host == "localhost" || host == "[::1]";
    return (here || (tls && named)) &&
           (colon == std::string_view::npos || is_port(authority.substr(colon + 1))) &&
           std::ranges::all_of(path, [](char c) {
               return c > ' ' && c <= '~' && c != '?' && c != '#';
           });
}

Result<SettingValue> checked_text(const SettingRow& row, std::string_view text) {
    if (row.type == SettingType::word && !is_word_of(row.words, text)) {
        std::string list{row.words};
        for (auto at = list.find('|'); at != std::string::npos; at = list.find('|', at)) {
            list.replace(at, 1, ", ");
        }
        return refused(row, fmt::format("one of: {}", list));
    }
    if (text.size() > kMaxText || text.find_first_of("\r\n") != std::string_view::npos) {
        return refused(row, fmt::format("one line of at most {} characters", kMaxText));
    }
    if (row.name == "routing_aliases") {
        if (const auto aliases = aliases_from(text); !aliases) {
            return propagate(aliases);
        }
    }
    if (row.name == "hub.url" && !is_hub_address(text)) {
        return refused(row, "an https address without a query, as https://huggingface.co");
    }
    if (row.name == "docker.images") {
        if (const auto images = engine_images_from(text); !images) {
            return propagate(images);
        }
    }
    return SettingValue{std::string{text}};
}

}  // namespace

std::span<const SettingRow> setting_table() {
    return kRows;
}

const SettingRow* find_setting(std::string_view name) {
    const auto it = std::ranges::find(kRows, name, &SettingRow::name);
    return it == kRows.end() ? nullptr : &*it;
}

Result<SettingValue> setting_from_text(const SettingRow& row, std::string_view text) {
    switch (row.type) {
    case integer: {
        std::int64_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc{} || end != text.data() + text.size()) {
            return refused(row, fmt::format("a whole number from {} to {}", row.least, row.most));
        }
        return checked_integer(row, number);
    }
    case boolean:
        if (text != "true" && text != "false") {
            return refused(row, "true or false");
        }
        return SettingValue{text == "true"};
    case SettingType::word:
    case SettingType::text:
        return checked_text(row, text);
    }
    return refused(row, "known");
}

Result<SettingValue> setting_from_json(const SettingRow& row, const Json& value) {
    switch (row.type) {
    case integer:
        if (!value.is_number_integer()) {
            return refused(row, fmt::format("a whole number from {} to {}", row.least, row.most));
        }
        return checked_integer(row, value.get<std::int64_t>());
    case boolean:
        if (!value.is_boolean()) {
            return refused(row, "true or false");
        }
        return SettingValue{value.get<bool>()};
    case SettingType::word:
    case SettingType::text:
        if (!value.is_string()) {
            return refused(row, "a string");
        }
        return checked_text(row, value.get_ref<const std::string&>());
    }
    return refused(row, "known");
}

std::string text_of(const SettingValue& value) {
    if (const auto* number = std::get_if<std::int64_t>(&value)) {
        return std::to_string(*number);
    }
    if (const auto* flag = std::get_if<bool>(&value)) {
        return *flag ? "true" : "false";
    }
    return std::get<std::string>(value);
}

Settings::Settings(store::StateStore& store, std::map<std::string, Layered<std::string>> seeds)
    : store_{store} {
    for (const SettingRow& row : kRows) {
        auto& layers = values_[std::string{row.name}];
        auto built_in = setting_from_text(row, row.built_in);
        NOVA_CHECK(built_in.has_value());
        layers.push_back({.value = std::move(*built_in)});
        if (const auto seed = seeds.find(std::string{row.name}); seed != seeds.end()) {
            auto value = setting_from_text(row, seed->second.value);
            NOVA_CHECK(value.has_value());  // load_boot_config() has validated it
            layers.push_back(
                {.value = std::move(*value),
                 .layer = seed->second.layer,
                 .where = seed->second.where}
            );
        }
    }
}

Task<Result<std::vector<std::string>>> Settings::load() {
    const auto entries = co_await store_.list(std::string{kKeyPrefix});
    if (!entries) {
        co_return propagate(entries);
    }
    std::vector<std::string> passed_over;
    for (const store::Entry& entry : *entries) {
        const std::string name = entry.key.value.substr(kKeyPrefix.size());
        const SettingRow* row = find_setting(name);
        const auto document = parse_json(entry.json, name);
        if (row == nullptr || !document) {
            passed_over.push_back(name);
            continue;
        }
        auto value = setting_from_json(*row, *document);
        if (!value) {
            passed_over.push_back(name);
            continue;
        }
        values_[name].push_back(
            {.value = std::move(*value), .layer = Layer::store, .where = entry.key.value}
        );
    }
    co_return passed_over;
}

Task<Result<void>> Settings::change(std::vector<SettingChange> changes) {
    std::vector<store::Write> writes;
    for (const SettingChange& change : changes) {
        const SettingRow* row = find_setting(change.name);
        if (row == nullptr) {
            co_return fail(
                ErrorCode::not_found, fmt::format("There is no setting called \"{}\".", change.name)
            );
        }
        const std::string key = std::string{kKeyPrefix} + change.name;
        if (!change.value) {
            writes.emplace_back(store::DeleteDocument{.key = {key}});
            continue;
        }
        const Json document =
            std::visit([](const auto& plain) { return Json(plain); }, *change.value);
        if (const auto valid = setting_from_json(*row, document); !valid) {
            co_return propagate(valid);
        }
        writes.emplace_back(store::PutDocument{.key = {key}, .json = json_text(document)});
    }
    const auto committed = co_await store_.commit(std::move(writes));
    if (!committed) {
        co_return propagate(committed);
    }
    for (SettingChange& change : changes) {
        auto& layers = values_[change.name];
        std::erase_if(layers, [](const auto& layer) { return layer.layer == Layer::store; });
        if (change.value) {
            layers.push_back(
                {.value = std::move(*change.value),
                 .layer = Layer::store,
                 .where = std::string{kKeyPrefix} + change.name}
            );
        }
    }
    co_return Result<void>{};
}

const SettingValue& Settings::value_of_row(std::string_view name) const {
    const auto it = values_.find(name);
    NOVA_CHECK(it != values_.end());
    return it->second.back().value;
}

std::int64_t Settings::integer(std::string_view name) const {
    return std::get<std::int64_t>(value_of_row(name));
}

bool Settings::boolean(std::string_view name) const {
    return std::get<bool>(value_of_row(name));
}

const std::string& Settings::text(std::string_view name) const {
    return std::get<std::string>(value_of_row(name));
}

std::optional<Settings::Explained> Settings::explain(std::string_view name) const {
    const auto it = values_.find(name);
    if (it == values_.end()) {
        return std::nullopt;
    }
    Explained explained{
        .row = find_setting(name), .value = it->second.back(), .hidden = it->second
    };
    explained.hidden.pop_back();
    return explained;
}

std::string_view routing_strategy_of(std::string_view mode, std::string_view strategy) {
    if (mode == "local-only" || mode == "cloud-only") {
        return mode;
    }
    return strategy == "cloud-first" ? "cloud-first" : "local-first";
}

Result<std::vector<std::pair<std::string, std::string>>> aliases_from(std::string_view text) {
    std::vector<std::pair<std::string, std::string>> aliases;
    for (const auto& [piece, name, model] : named_values(text)) {
        const bool twice = std::ranges::any_of(aliases, [&name](const auto& other) {
            return other.first == name;
        });
        if (name.empty() || model.empty() || name == model || twice) {
            return fail(
                ErrorCode::unprocessable,
                fmt::format("routing_aliases: \"{}\" is no alias.", piece),
                "Write each name once, as NAME=MODEL or NAME=PROVIDER/MODEL, with commas between."
            );
        }
        aliases.emplace_back(name, model);
    }
    return aliases;
}

}  // namespace nova::config

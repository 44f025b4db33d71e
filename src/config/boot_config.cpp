// Layers of start-up configuration, read from one table.
#include "config/boot_config.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <sstream>
#include <utility>

#include <boost/asio/ip/address.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "config/settings.hpp"
#include "config/toml_file.hpp"
#include "store/data_directory.hpp"

namespace nova::config {
namespace {

constexpr std::array<BootOption, 11> kOptions{{
    {"data_dir", "NOVA_DATA_DIR", "DIR", "where nova keeps its state, secret and weights"},
    {"gateway_listen", "NOVA_GATEWAY_LISTEN", "HOST:PORT",
     "address of the OpenAI-compatible gateway"},
    {"control_listen", "NOVA_CONTROL_LISTEN", "HOST:PORT", "address of the control API"},
    {"role", "NOVA_ROLE", "all|gateway|recovery", "which planes this process runs"},
    {"store", "NOVA_STORE", "sqlite|redis://HOST:PORT", "where state is kept"},
    {"workers", "NOVA_WORKERS", "N", "gateway threads; default: one per core, at most 8"},
    {"log_level", "NOVA_LOG_LEVEL", "debug|info|warn|error", "least that is logged"},
    {"allowed_host", "NOVA_ALLOWED_HOSTS", "NAME,...",
     "further host names nova is reached by, comma separated"},
    {"allowed_origin", "NOVA_ALLOWED_ORIGINS", "ORIGIN,...",
     "web origins whose pages may use nova, comma separated"},
    {"behind_tls_proxy", "NOVA_BEHIND_TLS_PROXY", "",
     "a proxy in front adds TLS; lets control listen beyond loopback"},
    {"admin_secret_file", "NOVA_ADMIN_SECRET_FILE", "FILE",
     "file with the admin secret, instead of DIR/admin-secret"},
}};

constexpr unsigned kMaxDefaultWorkers = 8;  // house.md 8
constexpr unsigned kMaxWorkers = 256;

struct Given {
    std::string text;
    Layer layer;
    std::string where;
};

std::unexpected<Error> bad_value(const Given& given, std::string_view wanted) {
    return fail(
        ErrorCode::invalid_argument,
        fmt::format("{}: \"{}\" is not {}.", given.where, given.text, wanted)
    );
}

std::vector<std::string> split_list(std::string_view text) {
    std::vector<std::string> out;
    while (!text.empty()) {
        const auto comma = std::min(text.find(','), text.size());
        std::string_view part = text.substr(0, comma);
        while (part.starts_with(' ')) {
            part.remove_prefix(1);
        }
        while (part.ends_with(' ')) {
            part.remove_suffix(1);
        }
        if (!part.empty()) {
            out.emplace_back(part);
        }
        text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return out;
}

template <class T>
void put(Layered<T>& into, T value, const Given& given) {
    into = {.value = std::move(value), .layer = given.layer, .where = given.where};
}

Result<void> put_listen(Layered<Endpoint>& into, const Given& given) {
    auto endpoint = parse_listen(given.text);
    if (!endpoint) {
        return propagate(endpoint, given.where);
    }
    put(into, std::move(*endpoint), given);
    return {};
}

Result<void> put_role(BootConfig& config, const Given& given) {
    if (given.text == "gateway" || given.text == "recovery") {
        return fail(
            ErrorCode::unsupported,
            fmt::format(
                "{}: the role \"{}\" needs a shared store, which this nova does not have yet.",
                given.where, given.text
            ),
            "Leave it out: one nova runs both planes."
        );
    }
    if (given.text != "all") {
        return bad_value(given, "a role (all, gateway, recovery)");
    }
    put(config.role, Role::all, given);
    return {};
}

Result<void> put_store(BootConfig& config, const Given& given) {
    if (given.text.starts_with("redis://") || given.text.starts_with("rediss://")) {
        return fail(
            ErrorCode::unsupported,
            fmt::format("{}: Redis as a store does not exist in this nova yet.", given.where),
            "Use sqlite, which is the default and needs nothing."
        );
    }
    if (given.text != "sqlite") {
        return bad_value(given, "a store (sqlite)");
    }
    put(config.store, given.text, given);
    return {};
}

Result<void> put_workers(BootConfig& config, const Given& given) {
    unsigned workers = 0;
    const char* end = given.text.data() + given.text.size();
    const auto [at, error] = std::from_chars(given.text.data(), end, workers);
    if (error != std::errc{} || at != end || workers < 1 || workers > kMaxWorkers) {
        return bad_value(given, fmt::format("a number from 1 to {}", kMaxWorkers));
    }
    put(config.workers, workers, given);
    return {};
}

Result<void> put_log_level(BootConfig& config, const Given& given) {
    constexpr std::array<std::pair<std::string_view, LogLevel>, 4> kLevels{
        {{"debug", LogLevel::debug},
         {"info", LogLevel::info},
         {"warn", LogLevel::warn},
         {"error", LogLevel::error}}
    };
    for (const auto& [word, level] : kLevels) {
        if (word == given.text) {
            put(config.log_level, level, given);
            return {};
        }
    }
    return bad_value(given, "a log level (debug, info, warn, error)");
}

Result<void> put_flag(Layered<bool>& into, const Given& given) {
    if (given.text == "true" || given.text == "1") {
        put(into, true, given);
    } else if (given.text == "false" || given.text == "0") {
        put(into, false, given);
    } else {
        return bad_value(given, "true or false");
    }
    return {};
}

Result<void> put_secret_file(BootConfig& config, const Given& given) {
    std::ifstream file{given.text};
    std::ostringstream text;
    text << file.rdbuf();
    if (!file) {
        return fail(
            ErrorCode::invalid_argument,
            fmt::format("{}: {} cannot be read.", given.where, given.text),
            "Check the path and who may read the file."
        );
    }
    std::string secret = text.str();
    while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) {
        secret.pop_back();
    }
    put(config.admin_secret, Secret{std::move(secret)}, given);
    return {};
}

Result<void> apply(BootConfig& config, std::string_view name, const Given& given) {
    if (name == "data_dir") {
        put(config.data_dir, std::filesystem::absolute(given.text).lexically_normal(), given);
    } else if (name == "gateway_listen") {
        return put_listen(config.gateway_listen, given);
    } else if (name == "control_listen") {
        return put_listen(config.control_listen, given);
    } else if (name == "role") {
        return put_role(config, given);
    } else if (name == "store") {
        return put_store(config, given);
    } else if (name == "workers") {
        return put_workers(config, given);
    } else if (name == "log_level") {
        return put_log_level(config, given);
    } else if (name == "allowed_host") {
        put(config.allowed_hosts, split_list(given.text), given);
    } else if (name == "allowed_origin") {
        put(config.allowed_origins, split_list(given.text), given);
    } else if (name == "behind_tls_proxy") {
        return put_flag(config.behind_tls_proxy, given);
    } else {
        NOVA_CHECK(name == "admin_secret_file");
        return put_secret_file(config, given);
    }
    return {};
}

const BootOption* find_option(std::string_view name) {
    const auto it = std::ranges::find(kOptions, name, &BootOption::name);
    return it == kOptions.end() ? nullptr : &*it;
}

Result<void> seed_setting(
    BootConfig& config, const std::string& name, std::string text, Layer layer, std::string where
) {
    const SettingRow* row = find_setting(name);
    if (row == nullptr) {
        return fail(
            ErrorCode::invalid_argument,
            fmt::format("{}: there is no setting called \"{}\".", where, name),
            "Remove it, or correct its name."
        );
    }
    if (const auto value = setting_from_text(*row, text); !value) {
        return propagate(value, where);
    }
    config.setting_seeds[name] = {
        .value = std::move(text), .layer = layer, .where = std::move(where)
    };
    return {};
}

Result<void> apply_file(BootConfig& config, const BootInputs& inputs) {
    const auto& path = inputs.config_file ? *inputs.config_file : inputs.default_config_file;
    std::error_code error;
    if (!inputs.config_file && !std::filesystem::exists(path, error)) {
        return {};
    }
    const auto rows = read_toml_file(path);
    if (!rows) {
        return propagate(rows);
    }
    config.config_file = path.string();
    constexpr std::string_view kSettings = "settings.";
    for (const TomlRow& row : *rows) {
        std::string where = fmt::format("{}: {}", path.string(), row.key);
        if (row.key.starts_with(kSettings)) {
            const std::string name = row.key.substr(kSettings.size());
            if (const auto set =
                    seed_setting(config, name, row.text, Layer::file, std::move(where));
                !set) {
                return propagate(set);
            }
            continue;
        }
        if (find_option(row.key) == nullptr) {
            return fail(
                ErrorCode::invalid_argument, fmt::format("{} is not a key nova knows.", where),
                "Runtime settings belong into the table [settings]."
            );
        }
        if (const auto set = apply(config, row.key, {row.text, Layer::file, std::move(where)});
            !set) {
            return propagate(set);
        }
    }
    return {};
}

Result<void> apply_environment(BootConfig& config, const BootInputs& inputs) {
    for (const BootOption& option : kOptions) {
        if (auto text = value_of(inputs.environment, option.variable)) {
            const Given given{std::move(*text), Layer::environment, std::string{option.variable}};
            if (const auto set = apply(config, option.name, given); !set) {
                return propagate(set);
            }
        }
    }
    for (const std::string_view name : {"NOVA_ADMIN_SECRET", "ADMIN_SECRET"}) {
        if (auto text = value_of(inputs.environment, name)) {
            const Given given{{}, Layer::environment, std::string{name}};
            put(config.admin_secret, Secret{std::move(*text)}, given);
            break;  // the first one named is ours, the second the first Nova's
        }
    }
    for (const SettingRow& row : setting_table()) {
        if (auto text = value_of(inputs.environment, row.variable)) {
            const auto set = seed_setting(
                config, std::string{row.name}, std::move(*text), Layer::environment,
                std::string{row.variable}
            );
            if (!set) {
                return propagate(set);
            }
        }
    }
    return {};
}

Result<void> apply_flags(BootConfig& config, const BootInputs& inputs) {
    for (const auto& [name, text] : inputs.flags) {
        const BootOption* option = find_option(name);
        NOVA_CHECK(option != nullptr);
        std::string where = "--" + name;
        std::ranges::replace(where, '_', '-');
        const Given given{text, Layer::flag, std::move(where)};
        if (const auto set = apply(config, name, given); !set) {
            return propagate(set);
        }
    }
    return {};
}

// What only all values together can tell.
Result<void> check(const BootConfig& config) {
    if (!is_loopback(config.control_listen.value) && !config.behind_tls_proxy.value) {
        return fail(
            ErrorCode::forbidden,
            fmt::format(
                "The control API would listen on {} and send the admin secret in clear.",
                config.control_listen.value.text()
            ),
            "Listen on 127.0.0.1, or put a TLS proxy in front and say --behind-tls-proxy."
        );
    }
    const Endpoint& gateway = config.gateway_listen.value;
    if (gateway.port != 0 && gateway == config.control_listen.value) {
        return fail(
            ErrorCode::invalid_argument,
            fmt::format("Gateway and control cannot both listen on {}.", gateway.text()),
            "Give them two ports."
        );
    }
    if (config.admin_secret.layer != Layer::built_in) {
        if (auto refused = secret_refused(config.admin_secret.value)) {
            refused->message = config.admin_secret.where + ": " + refused->message;
            return std::unexpected<Error>{std::move(*refused)};
        }
    }
    return {};
}

}  // namespace

std::string_view word(Layer layer) {
    switch (layer) {
    case Layer::built_in:
        return "default";
    case Layer::file:
        return "file";
    case Layer::environment:
        return "environment";
    case Layer::store:
        return "store";
    case Layer::flag:
        return "flag";
    }
    return "";
}

std::span<const BootOption> boot_options() {
    return kOptions;
}

Result<BootConfig> load_boot_config(const BootInputs& inputs) {
    BootConfig config;
    config.workers.value = std::clamp(inputs.cores, 1U, kMaxDefaultWorkers);
    for (const auto step : {apply_file, apply_environment, apply_flags}) {
        if (const auto done = step(config, inputs); !done) {
            return propagate(done);
        }
    }
    if (config.data_dir.layer == Layer::built_in) {
        auto path = default_data_dir(inputs.environment);
        if (!path) {
            return propagate(path);
        }
        config.data_dir.value = std::move(*path);
    }
    if (const auto fine = check(config); !fine) {
        return propagate(fine);
    }
    return config;
}

Result<Endpoint> parse_listen(std::string_view text) {
    const auto bad = [text](std::string_view why) {
        return fail(
            ErrorCode::invalid_argument,
            fmt::format("\"{}\" is not an address to listen on: {}.", text, why),
            "Write HOST:PORT, for example 127.0.0.1:8001 or [::1]:8001; port 0 takes a free one."
        );
    };
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return bad("the port is missing");
    }
    std::string_view host = text.substr(0, colon);
    const std::string_view digits = text.substr(colon + 1);
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc{} || end != digits.data() + digits.size()) {
        return bad("the port must be a number from 0 to 65535");
    }
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    } else if (host.find(':') != std::string_view::npos) {
        return bad("an IPv6 address stands in brackets");
    }
    if (host.empty()) {
        host = "0.0.0.0";
    } else if (host == "localhost") {
        host = "127.0.0.1";
    }
    boost::system::error_code code;
    const auto address = boost::asio::ip::make_address(std::string{host}, code);
    if (code) {
        return bad("the host must be an IP address or localhost");
    }
    return Endpoint{.host = address.to_string(), .port = port, .tls = false};
}

bool is_loopback(const Endpoint& endpoint) {
    boost::system::error_code code;
    const auto address = boost::asio::ip::make_address(endpoint.host, code);
    return !code && address.is_loopback();
}

Result<std::filesystem::path> default_data_dir(const Environment& environment) {
    const auto named = [&environment](std::string_view name) {
        return value_of(environment, name).value_or("");
    };
    auto path = store::resolve_data_directory(
        {.option = {},
         .nova_data_dir = named("NOVA_DATA_DIR"),
         .xdg_data_home = named("XDG_DATA_HOME"),
         .home = named("HOME")}
    );
    if (!path) {
        return propagate(path);
    }
    return std::filesystem::path{std::move(*path)};
}

std::optional<Error> secret_refused(const Secret& secret) {
    const std::string& text = secret.reveal();
    const bool white = text.find_first_of("\r\n\t ") != std::string::npos;
    if (!white && !store::is_placeholder_secret(text)) {
        return std::nullopt;
    }
    return Error{
        .code = ErrorCode::invalid_argument,
        .message = white ? "the admin secret contains white space."
                         : "the admin secret is empty, short, or a placeholder everybody knows.",
        .word = "placeholder_secret",
        .remedy = "Leave it out: nova makes one in the data directory on its first start."
    };
}

}  // namespace nova::config

// What is fixed once nova has started: addresses, directories, role. Each value knows its origin.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/environment.hpp"
#include "core/error.hpp"
#include "core/result.hpp"
#include "core/secret.hpp"
#include "core/strong.hpp"

namespace nova::config {

// Later ones win.
enum class Layer : std::uint8_t { built_in, file, environment, store, flag };

std::string_view word(Layer layer);

template <class T>
struct Layered {
    T value{};
    Layer layer = Layer::built_in;
    std::string where{};  // "--data-dir", "NOVA_DATA_DIR", "/etc/nova/nova.toml: data_dir"
};

enum class Role : std::uint8_t { all, gateway, recovery };

struct BootConfig {
    Layered<std::filesystem::path> data_dir;
    Layered<Endpoint> gateway_listen{.value = {.host = "127.0.0.1", .port = 8001, .tls = false}};
    Layered<Endpoint> control_listen{.value = {.host = "127.0.0.1", .port = 8888, .tls = false}};
    Layered<Role> role;
    Layered<std::string> store{.value = "sqlite"};
    Layered<unsigned> workers;
    Layered<LogLevel> log_level{.value = LogLevel::info};
    Layered<std::vector<std::string>> allowed_hosts;
    Layered<std::vector<std::string>> allowed_origins;
    Layered<bool> behind_tls_proxy;
    Layered<Secret> admin_secret;  // empty: the one in the data directory
    std::string config_file;       // that was read; empty: none
    // First values of runtime settings, as text, by setting name; see settings.hpp.
    std::map<std::string, Layered<std::string>> setting_seeds;
};

struct BootInputs {
    std::optional<std::filesystem::path> config_file;  // --config: must exist then
    std::filesystem::path default_config_file = "/etc/nova/nova.toml";
    Environment environment;
    std::map<std::string, std::string> flags;  // by option name: {"data_dir", "/srv/nova"}
    unsigned cores = 1;
};

// One line of the table that makes flags, variables, file keys and help.
struct BootOption {
    std::string_view name;      // data_dir; in the file as it is, as flag --data-dir
    std::string_view variable;  // NOVA_DATA_DIR
    std::string_view value;     // DIR, for the help; empty: the flag takes none
    std::string_view sentence;
};

std::span<const BootOption> boot_options();

// defaults < file < environment < flags. Errors: invalid_argument (usage) with where the value came
// from; unsupported for what does not exist yet (decisions.md 1.16); forbidden when the control
// listener would be open to the network in clear (4.5).
Result<BootConfig> load_boot_config(const BootInputs& inputs);

// "HOST:PORT", "[::1]:0", ":8001" (every address). Error: invalid_argument.
Result<Endpoint> parse_listen(std::string_view text);
bool is_loopback(const Endpoint& endpoint);

// decisions.md 2.2: $NOVA_DATA_DIR, $XDG_DATA_HOME/nova, ~/.local/share/nova.
// Error: precondition when there is no HOME either.
Result<std::filesystem::path> default_data_dir(const Environment& environment);

// A secret everybody knows or can guess at once, or that no header can carry; empty: a fine one.
std::optional<Error> secret_refused(const Secret& secret);

}  // namespace nova::config

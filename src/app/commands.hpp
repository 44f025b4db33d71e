// What each command of the command line does. Options come parsed; the answer is the exit code.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/control_client.hpp"
#include "app/terminal.hpp"
#include "app/version.hpp"
#include "config/environment.hpp"
#include "core/error.hpp"

namespace nova::app {

// Lives for one command.
struct CommandContext {
    const config::Environment& environment;
    Terminal& terminal;
    ClientOptions client;

    Style style() const { return client.json ? Style::json : Style::plain; }

    ExitCode complain(const Error& error) { return terminal.complain(error, style()); }
};

struct WaitOptions {
    bool wait = false;
    double timeout_s = 600;
};

struct StopOptions {
    std::string slot;
    WaitOptions waiting;
};

struct StartOptions {
    std::string engine;
    std::string model;
    std::vector<std::string> options;  // "K=V"
    std::string url;
    std::string auth_header;  // value, "@file" or "-" for standard input
    std::string runtime;
    std::string strategy;
    std::string slot;
    WaitOptions waiting;
};

struct ChatOptions {
    std::string prompt;  // empty: standard input
    std::string model;   // empty: the one that is ready
    std::string system;
    std::optional<int> max_tokens;
    bool stats = false;
};

struct LogsOptions {
    unsigned tail = 200;
    bool follow = false;
    std::string slot;
};

struct ExplainOptions {
    std::string file{};  // "-": standard input
    std::string engine{};
    std::optional<int> exit_code{};
    std::optional<int> exit_signal{};
    bool out_of_memory = false;
};

struct KeyOptions {
    std::string name;  // of create; or id or name of revoke
    std::vector<std::string> models{};
    std::vector<std::string> providers{};
    bool never_cloud = false;
    std::string expires{};  // "30d", "12h", "90m", or a time
    std::uint64_t requests_per_minute = 0;
    std::uint64_t tokens_per_minute = 0;
    std::uint64_t concurrent = 0;
};

struct UsageOptions {
    std::string from{};
    std::string to{};
    std::string group_by = "model";
};

struct ProviderOptions {
    std::string id{};
    std::optional<std::string> kind{};
    std::optional<std::string> url{};
    std::optional<std::string> key_file{};  // "-": standard input
    std::optional<std::string> default_model{};
    std::optional<std::int64_t> order{};
    std::vector<std::string> models{};
    std::vector<std::string> aliases{};  // "NAME=MODEL"
    bool enable = false;
    bool disable = false;
};

struct ConfigOptions {
    std::string name{};
    std::string value{};
    bool explain = false;
    bool unset = false;
};

struct ConformOptions {
    std::string url{};
    std::string dialect = "auto";  // or openai, anthropic, ollama
    std::string model{};           // empty: the first that is listed
    std::string embed_model{};
    std::string key_file{};  // "-": standard input
    std::vector<std::string> only{};
    std::string against{};
    std::string against_key_file{};
    double timeout_s = 60;
    bool list = false;
};

struct UpOptions {
    std::string model;
    std::string engine;
    std::map<std::string, std::string> serve_flags;  // handed to nova serve, by boot option name
    double timeout_s = 600;
};

struct DetectOptions {
    bool forget = false;  // what is not seen now
};

// To the nova of that folder, whatever --url says.
Result<ControlClient> client_of(const CommandContext& context, const std::string& data_dir);

ExitCode serve_command(
    CommandContext& context, std::map<std::string, std::string> flags,
    const std::string& config_file
);
ExitCode up_command(CommandContext& context, const UpOptions& options);
ExitCode down_command(CommandContext& context);
ExitCode status_command(CommandContext& context);
ExitCode detect_command(CommandContext& context, const DetectOptions& options);
ExitCode gpu_command(CommandContext& context);
ExitCode engines_command(CommandContext& context);
ExitCode start_command(CommandContext& context, const StartOptions& options);
ExitCode stop_command(CommandContext& context, const StopOptions& options);
ExitCode cancel_command(CommandContext& context, const std::string& operation);
ExitCode operations_command(CommandContext& context, unsigned limit);
ExitCode chat_command(CommandContext& context, const ChatOptions& options);
ExitCode logs_command(CommandContext& context, const LogsOptions& options);
ExitCode events_command(CommandContext& context, std::optional<std::uint64_t> since);
ExitCode explain_command(CommandContext& context, const ExplainOptions& options);
ExitCode keys_create_command(CommandContext& context, const KeyOptions& options);
ExitCode keys_list_command(CommandContext& context);
ExitCode keys_revoke_command(CommandContext& context, const std::string& name);
ExitCode usage_command(CommandContext& context, const UsageOptions& options);
ExitCode providers_list_command(CommandContext& context);
ExitCode providers_add_command(CommandContext& context, const ProviderOptions& options);
ExitCode providers_remove_command(CommandContext& context, const std::string& id);
ExitCode providers_test_command(CommandContext& context, const std::string& id);
ExitCode mode_command(CommandContext& context, const std::string& mode);
ExitCode config_list_command(CommandContext& context);
ExitCode config_get_command(CommandContext& context, const ConfigOptions& options);
ExitCode config_set_command(CommandContext& context, const ConfigOptions& options);
ExitCode doctor_command(CommandContext& context);
// failed: a check that must pass did not.
ExitCode conform_command(CommandContext& context, const ConformOptions& options);
ExitCode version_command(CommandContext& context);

// ---- parts that commands share

// Follows an operation to its end on the terminal; its outcome as an exit code. With json nothing
// is printed but the ended operation.
ExitCode
follow_operation(CommandContext& context, ControlClient& client, std::string id, double timeout_s);

// Sends the wish; follows it when asked to. Prints what came of it.
ExitCode send_start(CommandContext& context, ControlClient& client, const StartOptions& options);

struct ChatResult {
    std::string text;
    std::string model;
    std::string provider;
    std::uint64_t tokens = 0;
    double tokens_per_s = 0;
    double first_token_s = 0;
};

// Streams one answer to standard output (not with json). gateway: where to ask.
Result<ChatResult>
stream_chat(CommandContext& context, const Endpoint& gateway, const ChatOptions& options);
// "42 tokens, 55.1 tokens/s, first token after 180 ms"
std::string stats_line(const ChatResult& result);

}  // namespace nova::app

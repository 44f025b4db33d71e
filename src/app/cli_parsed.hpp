// What the command line's files share: where options are written, and how a command is declared.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "app/commands.hpp"

namespace nova::app {

using Run = std::function<ExitCode(CommandContext&)>;

// Everything the parser writes into; lives until the command has run.
struct Parsed {
    ClientOptions client;
    std::map<std::string, std::string> boot;  // flags of nova serve and nova up
    std::map<std::string, bool> boot_switches;
    std::string config_file;
    StartOptions start;
    StartOptions custom;
    StopOptions stop;
    ChatOptions chat;
    std::vector<std::string> prompt;
    LogsOptions logs;
    UpOptions up;
    DetectOptions detect;
    ExplainOptions explain;
    ConformOptions conform;
    ProviderOptions provider;
    ConfigOptions config;
    std::string mode;
    std::uint64_t since = 0;
    unsigned limit = 20;
    std::string operation;
    KeyOptions key;
    UsageOptions usage;
    Run run;

    std::map<std::string, std::string> flags() const {
        std::map<std::string, std::string> given;
        for (const auto& [name, text] : boot) {
            if (!text.empty()) {
                given[name] = text;
            }
        }
        for (const auto& [name, on] : boot_switches) {
            if (on) {
                given[name] = "true";
            }
        }
        return given;
    }
};

// --data-dir and --json; remote: also what names a nova elsewhere.
void add_client_options(CLI::App& command, Parsed& parsed, bool remote = true);

CLI::App& add_command(
    CLI::App& app, Parsed& parsed, const char* name, const char* sentence, const char* example,
    Run run
);

// keys, usage; providers; mode, config (cli_gateway.cpp).
void add_account_commands(CLI::App& app, Parsed& parsed);
void add_provider_commands(CLI::App& app, Parsed& parsed);
void add_setting_commands(CLI::App& app, Parsed& parsed);

}  // namespace nova::app

// The table of commands; only it, cli_gateway.cpp and cli_parsed.hpp know the command line library.
#include "app/cli.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <functional>
#include <memory>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "app/cli_parsed.hpp"
#include "config/boot_config.hpp"
#include "lifecycle/slots.hpp"

namespace nova::app {

void add_client_options(CLI::App& command, Parsed& parsed, bool remote) {
    command.add_option("--data-dir", parsed.client.data_dir, "data directory of that nova")
        ->type_name("DIR");
    command.add_flag("--json", parsed.client.json, "one JSON object on standard output");
    if (!remote) {
        return;
    }
    command.add_option("--url", parsed.client.url, "control address of a nova elsewhere")
        ->type_name("URL");
    command
        .add_option(
            "--admin-secret-file", parsed.client.admin_secret_file, "file with its admin secret"
        )
        ->type_name("FILE");
    command.add_flag(
        "--insecure", parsed.client.insecure, "send the secret to another machine without TLS"
    );
}

CLI::App& add_command(
    CLI::App& app, Parsed& parsed, const char* name, const char* sentence, const char* example,
    Run run
) {
    CLI::App* command = app.add_subcommand(name, sentence);
    command->footer(fmt::format("Example:\n  {}", example));
    command->callback([&parsed, run = std::move(run)] { parsed.run = run; });
    return *command;
}

namespace {

std::string flag_of(std::string_view name) {
    std::string flag = "--" + std::string{name};
    std::ranges::replace(flag, '_', '-');
    return flag;
}

void add_boot_options(CLI::App& command, Parsed& parsed) {
    for (const config::BootOption& option : config::boot_options()) {
        const std::string name{option.name};
        if (name == "data_dir") {
            continue;  // the client options have it, for both meanings
        }
        const std::string sentence = fmt::format("{} ({})", option.sentence, option.variable);
        if (option.value.empty()) {
            command.add_flag(flag_of(name), parsed.boot_switches[name], sentence);
        } else {
            command.add_option(flag_of(name), parsed.boot[name], sentence)
                ->type_name(std::string{option.value});
        }
    }
}

void add_wait_options(CLI::App& command, WaitOptions& waiting) {
    command.add_flag("--wait", waiting.wait, "return when it is done, showing how far it is");
    command.add_option("--timeout", waiting.timeout_s, "longest wait in seconds")
        ->type_name("S")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
}

void add_slot_option(CLI::App& command, std::string& slot) {
    const std::vector<std::string> names{lifecycle::kSlots.begin(), lifecycle::kSlots.end()};
    command
        .add_option(
            "--slot", slot, "local: the chat backend; embed: a small model for embeddings beside it"
        )
        ->type_name("SLOT")
        ->check(CLI::IsMember(names));
}

void add_start_options(CLI::App& command, StartOptions& options) {
    command.add_option("engine", options.engine, "llamacpp, ollama, vllm, sglang or custom")
        ->required();
    command
        .add_option(
            "--model", options.model,
            "GGUF file, Hugging Face id, hf.co/org/repo:QUANT or Ollama tag; default: the last used"
        )
        ->type_name("MODEL");
    command
        .add_option(
            "--option", options.options, "context=4096, parallel=2, flag.NAME=V; repeatable"
        )
        ->type_name("K=V")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    command.add_option("--url", options.url, "custom: root of an OpenAI-compatible API")
        ->type_name("URL");
    command
        .add_option(
            "--auth-header", options.auth_header,
            "custom: value of Authorization, or \"Name: V\"; @FILE or - reads it"
        )
        ->type_name("V");
    command.add_option("--runtime", options.runtime, "auto, process, docker or external");
    command
        .add_option(
            "--strategy", options.strategy,
            "auto, drain (old one first) or blue-green (new one beside it); default: the setting"
        )
        ->check(CLI::IsMember({"auto", "drain", "blue-green"}));
    add_slot_option(command, options.slot);
    add_wait_options(command, options.waiting);
}

void add_daemon_commands(CLI::App& app, Parsed& parsed) {
    CLI::App& up = add_command(
        app, parsed, "up", "Start nova, an engine and a model; ask the model something",
        "nova up --model ~/models/qwen.gguf",
        [&parsed](CommandContext& context) {
            parsed.up.serve_flags = parsed.flags();
            return up_command(context, parsed.up);
        }
    );
    add_client_options(up, parsed, false);
    up.add_option("--model", parsed.up.model, "model to start; default: a small one that is here")
        ->type_name("MODEL");
    up.add_option("--engine", parsed.up.engine, "engine to use; default: what is installed");
    up.add_option("--timeout", parsed.up.timeout_s, "longest wait for the model in seconds")
        ->type_name("S")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    add_boot_options(up, parsed);

    CLI::App& down = add_command(
        app, parsed, "down", "End nova and what it runs", "nova down",
        [](CommandContext& context) { return down_command(context); }
    );
    add_client_options(down, parsed, false);

    CLI::App& serve = add_command(
        app, parsed, "serve", "Run nova in the foreground",
        "nova serve --data-dir /srv/nova --gateway-listen 127.0.0.1:8001",
        [&parsed](CommandContext& context) {
            auto flags = parsed.flags();
            if (!parsed.client.data_dir.empty()) {
                flags["data_dir"] = parsed.client.data_dir;
            }
            return serve_command(context, std::move(flags), parsed.config_file);
        }
    );
    serve
        .add_option(
            "--data-dir", parsed.client.data_dir, "where nova keeps its state (NOVA_DATA_DIR)"
        )
        ->type_name("DIR");
    serve
        .add_option(
            "--config", parsed.config_file, "configuration file; default: /etc/nova/nova.toml"
        )
        ->type_name("FILE");
    add_boot_options(serve, parsed);
}

void add_backend_commands(CLI::App& app, Parsed& parsed) {
    CLI::App& status = add_command(
        app, parsed, "status", "What runs, and how far what is wanted is", "nova status --json",
        [](CommandContext& context) { return status_command(context); }
    );
    add_client_options(status, parsed);

    CLI::App& start = add_command(
        app, parsed, "start", "Run an engine with a model",
        "nova start llamacpp --model ~/models/qwen.gguf --option context=4096 --wait\n"
        "  nova start custom --url http://127.0.0.1:8000/v1 --auth-header @key.txt --wait\n"
        "  nova start llamacpp --slot embed --model ~/models/nomic-embed-text.gguf --wait",
        [&parsed](CommandContext& context) { return start_command(context, parsed.start); }
    );
    start.add_option("--data-dir", parsed.client.data_dir, "data directory of that nova")
        ->type_name("DIR");
    start.add_flag("--json", parsed.client.json, "one JSON object on standard output");
    start
        .add_option(
            "--admin-secret-file", parsed.client.admin_secret_file, "file with the admin secret"
        )
        ->type_name("FILE");
    add_start_options(start, parsed.start);

    CLI::App& change = add_command(
        app, parsed, "switch", "Change to another engine or model without losing requests",
        "nova switch llamacpp --model ~/models/other.gguf --wait",
        [&parsed](CommandContext& context) { return start_command(context, parsed.custom); }
    );
    change.add_option("--data-dir", parsed.client.data_dir, "data directory of that nova")
        ->type_name("DIR");
    change.add_flag("--json", parsed.client.json, "one JSON object on standard output");
    add_start_options(change, parsed.custom);

    CLI::App& stop = add_command(
        app, parsed, "stop", "Let running requests end, then run nothing", "nova stop --wait",
        [&parsed](CommandContext& context) { return stop_command(context, parsed.stop); }
    );
    add_client_options(stop, parsed);
    add_slot_option(stop, parsed.stop.slot);
    add_wait_options(stop, parsed.stop.waiting);

    CLI::App& operations = add_command(
        app, parsed, "operations", "Starts, stops and switches of the last 24 hours",
        "nova operations --limit 5",
        [&parsed](CommandContext& context) { return operations_command(context, parsed.limit); }
    );
    add_client_options(operations, parsed);
    operations.add_option("--limit", parsed.limit, "at most so many")->capture_default_str();

    CLI::App& cancel = add_command(
        app, parsed, "cancel", "End a running operation", "nova cancel 3f9a12",
        [&parsed](CommandContext& context) { return cancel_command(context, parsed.operation); }
    );
    add_client_options(cancel, parsed);
    cancel.add_option("operation", parsed.operation, "its id, as nova operations shows it")
        ->required();
}

void add_watching_commands(CLI::App& app, Parsed& parsed) {
    CLI::App& chat = add_command(
        app, parsed, "chat", "Ask the model; the answer streams to the terminal",
        "nova chat \"Why is the sky blue?\" --stats\n  git diff | nova chat --system \"Review "
        "this.\"",
        [&parsed](CommandContext& context) {
            for (const std::string& part : parsed.prompt) {
                parsed.chat.prompt += (parsed.chat.prompt.empty() ? "" : " ") + part;
            }
            return chat_command(context, parsed.chat);
        }
    );
    add_client_options(chat, parsed);
    chat.add_option("prompt", parsed.prompt, "what to ask; default: standard input");
    chat.add_option("--model", parsed.chat.model, "default: the one that is ready");
    chat.add_option("--system", parsed.chat.system, "system message");
    chat.add_option("--max-tokens", parsed.chat.max_tokens, "longest answer");
    chat.add_flag("--stats", parsed.chat.stats, "tokens per second, on standard error");

    CLI::App& logs = add_command(
        app, parsed, "logs", "The engine's log", "nova logs --tail 50 --follow",
        [&parsed](CommandContext& context) { return logs_command(context, parsed.logs); }
    );
    add_client_options(logs, parsed);
    logs.add_option("--tail", parsed.logs.tail, "lines from the end")
        ->check(CLI::Range(1, 5000))
        ->capture_default_str();
    logs.add_flag("--follow,-f", parsed.logs.follow, "go on with new lines");
    add_slot_option(logs, parsed.logs.slot);

    CLI::App& events = add_command(
        app, parsed, "events", "What happens, as it happens", "nova events --json",
        [&parsed, &app](CommandContext& context) {
            const bool given = app.get_subcommand("events")->count("--since") > 0;
            return events_command(context, given ? std::optional{parsed.since} : std::nullopt);
        }
    );
    add_client_options(events, parsed);
    events.add_option("--since", parsed.since, "begin behind the event with this id")
        ->type_name("ID");
}

void add_machine_commands(CLI::App& app, Parsed& parsed) {
    CLI::App& detect = add_command(
        app, parsed, "detect", "What this machine has: CPU, memory, disk, GPUs",
        "nova detect --json",
        [&parsed](CommandContext& context) { return detect_command(context, parsed.detect); }
    );
    add_client_options(detect, parsed);
    detect.add_flag(
        "--forget", parsed.detect.forget, "cards that are not seen now have been taken out for good"
    );
    CLI::App& gpu = add_command(
        app, parsed, "gpu", "What the GPUs do right now, and what is wrong with them",
        "nova gpu --json", [](CommandContext& context) { return gpu_command(context); }
    );
    add_client_options(gpu, parsed);
    CLI::App& engines = add_command(
        app, parsed, "engines", "Which engines can run here, and if not, why", "nova engines",
        [](CommandContext& context) { return engines_command(context); }
    );
    add_client_options(engines, parsed);
    CLI::App& doctor = add_command(
        app, parsed, "doctor", "Look for what stands in nova's way", "nova doctor",
        [](CommandContext& context) { return doctor_command(context); }
    );
    add_client_options(doctor, parsed, false);
    CLI::App& explain = add_command(
        app, parsed, "explain", "What an engine's log says about why it failed",
        "nova explain llama.log --engine llamacpp --exit-code 1",
        [&parsed](CommandContext& context) { return explain_command(context, parsed.explain); }
    );
    explain.add_option("file", parsed.explain.file, "the log; - is standard input")->required();
    explain.add_option("--engine", parsed.explain.engine, "llamacpp, ollama, vllm or sglang");
    explain.add_option("--exit-code", parsed.explain.exit_code, "how it ended");
    explain.add_option("--exit-signal", parsed.explain.exit_signal, "the signal that ended it");
    explain.add_flag(
        "--out-of-memory", parsed.explain.out_of_memory, "the kernel ended it for want of memory"
    );
    explain.add_flag("--json", parsed.client.json, "one JSON object on standard output");
    CLI::App& version = add_command(
        app, parsed, "version", "Which nova this is", "nova version --json",
        [](CommandContext& context) { return version_command(context); }
    );
    version.add_flag("--json", parsed.client.json, "one JSON object on standard output");
}

void add_conform_command(CLI::App& app, Parsed& parsed) {
    ConformOptions& options = parsed.conform;
    CLI::App& conform = add_command(
        app, parsed, "conform", "Try an endpoint for what clients stumble over",
        "nova conform http://127.0.0.1:8001\n"
        "  nova conform http://127.0.0.1:8001 --against http://127.0.0.1:8080 --only stream\n"
        "  nova conform https://api.example.com --dialect openai --model M --key-file key.txt",
        [&parsed](CommandContext& context) { return conform_command(context, parsed.conform); }
    );
    conform.add_option("endpoint", options.url, "root of the API, with or without /v1");
    conform.add_option("--dialect", options.dialect, "openai, anthropic, ollama; auto: all it has")
        ->check(CLI::IsMember({"auto", "openai", "anthropic", "ollama"}))
        ->capture_default_str();
    conform.add_option("--model", options.model, "default: the first that is listed")
        ->type_name("MODEL");
    conform.add_option("--embed-model", options.embed_model, "for embeddings; default: the same")
        ->type_name("MODEL");
    conform
        .add_option("--key-file", options.key_file, "file with the API key; - is standard input")
        ->type_name("FILE");
    conform.add_option("--only", options.only, "a check, or a group of them; repeatable")
        ->type_name("ID")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    conform.add_flag("--list", options.list, "what is checked, how grave it is, which trap it is");
    conform.add_option("--against", options.against, "the same there, and what differs")
        ->type_name("URL");
    conform.add_option("--against-key-file", options.against_key_file, "file with the key of that")
        ->type_name("FILE");
    conform.add_option("--timeout", options.timeout_s, "longest wait for one answer in seconds")
        ->type_name("S")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    conform.add_flag("--json", parsed.client.json, "one JSON object on standard output");
    conform.add_flag(
        "--insecure", parsed.client.insecure, "send a key to another machine without TLS"
    );
}

// A cut progress line is ended before the shell's prompt comes; nova itself goes on.
void end_on_interrupt() {
    struct sigaction action{};
    action.sa_handler = [](int) {
        const char line_end = '\n';
        const auto written = ::write(STDERR_FILENO, &line_end, 1);
        static_cast<void>(written);
        ::_exit(static_cast<int>(ExitCode::interrupted));
    };
    ::sigaction(SIGINT, &action, nullptr);
}

// --json anywhere in argv makes usage errors an object as well.
bool asks_for_json(int argc, char** argv) {
    return std::any_of(argv, argv + argc, [](const char* word) {
        return std::string_view{word} == "--json";
    });
}

int usage_error(CLI::App& app, const CLI::ParseError& error, Terminal& terminal, bool json) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
        return app.exit(error);  // --help
    }
    const auto chosen = app.get_subcommands();
    const std::string help =
        chosen.empty() ? "nova --help" : fmt::format("nova {} --help", chosen.front()->get_name());
    const ExitCode code = terminal.complain(
        {.code = ErrorCode::invalid_argument,
         .message = error.what(),
         .word = "usage",
         .remedy = fmt::format("See {}", help)},
        json ? Style::json : Style::plain
    );
    return static_cast<int>(code);
}

}  // namespace

int run_cli(int argc, char** argv) {
    const config::Environment environment = config::process_environment();
    Terminal terminal{Terminal::look(environment)};
    Parsed parsed;
    CLI::App app{"nova runs language models on this machine and serves them.", "nova"};
    app.require_subcommand(1);
    app.set_version_flag("--version", fmt::format("nova {}", kVersion));
    app.footer("First run:\n  nova up\nEach command explains itself: nova COMMAND --help");
    add_daemon_commands(app, parsed);
    add_backend_commands(app, parsed);
    add_watching_commands(app, parsed);
    add_machine_commands(app, parsed);
    add_account_commands(app, parsed);
    add_provider_commands(app, parsed);
    add_setting_commands(app, parsed);
    add_conform_command(app, parsed);
    if (argc < 2) {
        terminal.raw(app.help());
        return static_cast<int>(ExitCode::usage);
    }
    const std::string_view word{argv[1]};
    const auto named = [word](CLI::App* command) { return command->get_name() == word; };
    if (!word.starts_with('-') && app.get_subcommands(named).empty()) {
        return static_cast<int>(terminal.complain(
            {.code = ErrorCode::invalid_argument,
             .message = fmt::format("There is no command called \"{}\".", word),
             .word = "usage",
             .remedy = "See nova --help"},
            asks_for_json(argc, argv) ? Style::json : Style::plain
        ));
    }
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return usage_error(app, error, terminal, asks_for_json(argc, argv));
    }
    const auto chosen = app.get_subcommands();
    if (chosen.empty() || chosen.front()->get_name() != "serve") {
        end_on_interrupt();  // serve ends properly by itself
    }
    CommandContext context{environment, terminal, parsed.client};
    return static_cast<int>(parsed.run(context));
}

}  // namespace nova::app

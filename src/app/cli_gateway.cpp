// Commands about what the gateway admits, whom it asks and by which settings.
#include "app/cli_parsed.hpp"

namespace nova::app {

namespace {

void add_create_key_options(CLI::App& create, KeyOptions& key) {
    create.add_option("name", key.name, "what the key is for; shown in lists and the ledger")
        ->required();
    create.add_option("--models", key.models, "only these; \"llama*\" matches by its beginning")
        ->type_name("NAME,...")
        ->delimiter(',');
    create.add_option("--providers", key.providers, "only these: llamacpp, openai, ...")
        ->type_name("NAME,...")
        ->delimiter(',');
    create.add_flag("--never-cloud", key.never_cloud, "only what runs on this machine");
    create.add_option("--expires", key.expires, "30d, 12h, 90m or 2030-01-31T00:00:00Z")
        ->type_name("WHEN");
    create.add_option("--rpm", key.requests_per_minute, "requests a minute; default: no limit")
        ->type_name("N");
    create.add_option("--tpm", key.tokens_per_minute, "tokens a minute; default: no limit")
        ->type_name("N");
    create.add_option("--concurrent", key.concurrent, "requests at once; default: no limit")
        ->type_name("N");
}

}  // namespace

void add_account_commands(CLI::App& app, Parsed& parsed) {
    CLI::App& keys = *app.add_subcommand("keys", "API keys of the gateway");
    keys.require_subcommand(1);
    keys.footer("Example:\n  nova keys create laptop --never-cloud --rpm 60");
    CLI::App& create = add_command(
        keys, parsed, "create", "Make a key; it is shown this once",
        "nova keys create laptop --models 'llama*' --expires 90d --rpm 60 --tpm 100000",
        [&parsed](CommandContext& context) { return keys_create_command(context, parsed.key); }
    );
    add_client_options(create, parsed);
    add_create_key_options(create, parsed.key);
    CLI::App& list = add_command(
        keys, parsed, "list", "The keys there are, without their secrets", "nova keys list --json",
        &keys_list_command
    );
    add_client_options(list, parsed);
    CLI::App& revoke = add_command(
        keys, parsed, "revoke", "End a key at once", "nova keys revoke laptop",
        [&parsed](CommandContext& context) { return keys_revoke_command(context, parsed.key.name); }
    );
    add_client_options(revoke, parsed);
    revoke.add_option("key", parsed.key.name, "its name or id, as nova keys list shows it")
        ->required();

    CLI::App& usage = add_command(
        app, parsed, "usage", "Who used what", "nova usage --from 2026-11-01 --group-by key",
        [&parsed](CommandContext& context) { return usage_command(context, parsed.usage); }
    );
    add_client_options(usage, parsed);
    usage.add_option("--from", parsed.usage.from, "default: 30 days before --to")
        ->type_name("TIME");
    usage.add_option("--to", parsed.usage.to, "default: now")->type_name("TIME");
    usage.add_option("--group-by", parsed.usage.group_by, "model, provider, key or day")
        ->check(CLI::IsMember({"model", "provider", "key", "day"}))
        ->capture_default_str();
}

void add_provider_commands(CLI::App& app, Parsed& parsed) {
    CLI::App& providers = add_command(
        app, parsed, "providers", "Clouds and other endpoints behind the gateway",
        "nova providers add openai --key-file key.txt\n  nova providers add work --url "
        "https://llm.example.com/v1 --model-default qwen --key-file -\n  nova providers test "
        "openai",
        {}
    );
    providers.callback([&parsed, &providers] {
        if (providers.get_subcommands().empty()) {
            parsed.run = &providers_list_command;
        }
    });
    add_client_options(providers, parsed);
    CLI::App& list = add_command(
        providers, parsed, "list", "What is configured, and how it is", "nova providers list",
        &providers_list_command
    );
    add_client_options(list, parsed);
    CLI::App& add = add_command(
        providers, parsed, "add", "Configure one, or change it: what is left out stays",
        "nova providers add groq --key-file key.txt --order 10",
        [&parsed](CommandContext& context) {
            return providers_add_command(context, parsed.provider);
        }
    );
    ProviderOptions& options = parsed.provider;
    add.add_option("id", options.id, "openai, groq, ... or a name of your own")->required();
    add.add_option("--key-file", options.key_file, "file with its key; - is standard input")
        ->type_name("FILE");
    add.add_option("--url", options.url, "root of its API")->type_name("URL");
    add.add_option("--kind", options.kind, "which known provider it is like");
    add.add_option("--model-default", options.default_model, "asked for when it stands in");
    add.add_option("--order", options.order, "place in the chain, lowest first");
    add.add_option("--model", options.models, "a model it has but does not list; repeatable");
    add.add_option("--alias", options.aliases, "NAME=MODEL of this provider; repeatable")
        ->type_name("NAME=MODEL");
    CLI::Option* enable = add.add_flag("--enable", options.enable, "use it");
    add.add_flag("--disable", options.disable, "keep it, but do not use it")->excludes(enable);
    // --url means the provider's here; a nova elsewhere is named by NOVA_URL.
    add_client_options(add, parsed, false);
    add.add_option(
           "--admin-secret-file", parsed.client.admin_secret_file, "file with the admin secret"
    )
        ->type_name("FILE");
    CLI::App& remove = add_command(
        providers, parsed, "rm", "Forget one and its key", "nova providers rm groq",
        [&parsed](CommandContext& context) {
            return providers_remove_command(context, parsed.provider.id);
        }
    );
    remove.add_option("id", options.id, "as nova providers list shows it")->required();
    add_client_options(remove, parsed);
    CLI::App& test = add_command(
        providers, parsed, "test", "Ask it for its models, and say what happened",
        "nova providers test openai",
        [&parsed](CommandContext& context) {
            return providers_test_command(context, parsed.provider.id);
        }
    );
    test.add_option("id", options.id, "as nova providers list shows it")->required();
    add_client_options(test, parsed);
}

void add_setting_commands(CLI::App& app, Parsed& parsed) {
    CLI::App& mode = add_command(
        app, parsed, "mode", "Where answers may come from", "nova mode local-only",
        [&parsed](CommandContext& context) { return mode_command(context, parsed.mode); }
    );
    mode.add_option("mode", parsed.mode, "hybrid, local-only or cloud-only; none: says which");
    add_client_options(mode, parsed);
    CLI::App& config = add_command(
        app, parsed, "config", "Settings of a running nova",
        "nova config set drain_s 30\n  nova config explain mode", {}
    );
    config.callback([&parsed, &config] {
        if (config.get_subcommands().empty()) {
            parsed.run = &config_list_command;
        }
    });
    add_client_options(config, parsed);
    CLI::App& list = add_command(
        config, parsed, "list", "Every setting, its value and where that is from",
        "nova config list", &config_list_command
    );
    add_client_options(list, parsed);
    const auto one = [&](const char* name, const char* sentence, const char* example, Run run) {
        CLI::App& command = add_command(config, parsed, name, sentence, example, std::move(run));
        command.add_option("name", parsed.config.name, "as nova config list shows it")->required();
        add_client_options(command, parsed);
        return &command;
    };
    one("get", "The value of one", "nova config get drain_s",
        [&parsed](CommandContext& context) { return config_get_command(context, parsed.config); });
    one("explain", "One with its bounds, its source and what it hides",
        "nova config explain drain_s", [&parsed](CommandContext& context) {
            parsed.config.explain = true;
            return config_get_command(context, parsed.config);
        });
    one("unset", "Back to the default, the file's or the environment's",
        "nova config unset drain_s", [&parsed](CommandContext& context) {
            parsed.config.unset = true;
            return config_set_command(context, parsed.config);
        });
    one("set", "Change one", "nova config set drain_s 30",
        [&parsed](CommandContext& context) { return config_set_command(context, parsed.config); })
        ->add_option("value", parsed.config.value, "its new value")
        ->required();
}

}  // namespace nova::app

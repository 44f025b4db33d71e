// conform: how well an endpoint behaves, whoever made it.
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "app/commands_blocking.hpp"
#include "app/key_file.hpp"
#include "catalog/web_url.hpp"
#include "conform/report.hpp"
#include "core/json.hpp"

namespace nova::app {
namespace {

Result<Secret> key_from(const std::string& file) {
    if (file.empty()) {
        return Secret{};
    }
    std::string text = key_in(file);
    if (text.empty()) {
        return fail(
            ErrorCode::invalid_argument, fmt::format("{} has no key in its first line.", file)
        );
    }
    return Secret{std::move(text)};
}

// The root of the API: what clients write behind it is taken off again.
std::string base_of(std::string path) {
    for (const std::string_view end : {"/", "/v1", "/api", "/"}) {
        if (path.ends_with(end)) {
            path.resize(path.size() - end.size());
        }
    }
    return path;
}

Result<conform::Target> target_of(
    const ConformOptions& options, const std::string& url, const std::string& key_file,
    bool insecure
) {
    const bool has_scheme = url.find("://") != std::string::npos;
    const auto parsed = catalog::parse_web_url(has_scheme ? url : "http://" + url);
    if (!parsed) {
        return propagate(parsed);
    }
    auto key = key_from(key_file);
    if (!key) {
        return propagate(key);
    }
    const Endpoint& at = parsed->endpoint;
    if (!key->empty() && !at.tls && !catalog::is_loopback(at) && !insecure) {
        return fail(
            ErrorCode::precondition,
            fmt::format("The key would travel to {} in the clear.", at.text()),
            "Use https, or allow it with --insecure."
        );
    }
    return conform::Target{
        .endpoint = at,
        .base = base_of(parsed->path()),
        .key = *std::move(key),
        .model = options.model,
        .embed_model = options.embed_model
    };
}

Result<conform::SuiteOptions> suite_of(const ConformOptions& options) {
    conform::SuiteOptions suite{.only = options.only};
    if (options.dialect != "auto") {
        if (const auto dialect = conform::dialect_from(options.dialect)) {
            suite.dialects.push_back(*dialect);
        }
    }
    for (const std::string& word : options.only) {
        bool known = false;
        for (const conform::Check& check : conform::all_checks()) {
            known = known || conform::is_meant(check, word);
        }
        if (!known) {
            return fail(
                ErrorCode::invalid_argument, fmt::format("There is no check called {}.", word),
                "See nova conform --list"
            );
        }
    }
    return suite;
}

Result<conform::Report>
run(CommandContext& context, conform::Target target, const conform::SuiteOptions& suite,
    double timeout_s) {
    SystemClock clock;
    std::optional<net::TlsClient> tls;
    if (target.endpoint.tls) {
        tls.emplace();
    }
    conform::ProbeLimits limits;
    limits.answer = std::chrono::milliseconds{static_cast<std::int64_t>(timeout_s * 1000)};
    conform::Probe probe{clock, tls ? &*tls : nullptr, std::move(target), limits};
    Terminal& terminal = context.terminal;
    const bool colour = terminal.kind().colour;
    const bool quiet = context.client.json;
    const auto seen = [&terminal, colour, quiet](const conform::Row& row) {
        if (quiet) {
            return;
        }
        // What a server wrote must not drive the terminal.
        const std::string line = printable(conform::line_of(row));
        terminal.line(colour ? conform::coloured(row, line) : line);
    };
    return run_blocking<Result<conform::Report>>([&] {
        return conform::run_suite(probe, suite, seen);
    });
}

ExitCode list_checks(CommandContext& context) {
    Json list = Json::array();
    for (const conform::Check& check : conform::all_checks()) {
        if (context.client.json) {
            list.push_back(conform::json_of(check));
        } else {
            context.terminal.line(conform::listed(check));
        }
    }
    if (context.client.json) {
        context.terminal.line(json_text(Json{{"checks", std::move(list)}}));
    }
    return ExitCode::ok;
}

}  // namespace

ExitCode conform_command(CommandContext& context, const ConformOptions& options) {
    if (options.list) {
        return list_checks(context);
    }
    if (options.url.empty()) {
        return context.complain(
            {.code = ErrorCode::invalid_argument,
             .message = "Which endpoint?",
             .word = "usage",
             .remedy = "nova conform http://127.0.0.1:8001"}
        );
    }
    const bool insecure = context.client.insecure;
    const auto suite = suite_of(options);
    auto target = target_of(options, options.url, options.key_file, insecure);
    auto other = options.against.empty()
                     ? Result<conform::Target>{conform::Target{}}
                     : target_of(options, options.against, options.against_key_file, insecure);
    if (!suite || !target || !other) {
        return context.complain(
            !suite ? suite.error() : (!target ? target.error() : other.error())
        );
    }
    const auto report = run(context, *std::move(target), *suite, options.timeout_s);
    if (!report) {
        return context.complain(report.error());
    }
    Json out = conform::json_of(*report);
    if (!context.client.json) {
        context.terminal.line(conform::summary_of(*report));
    }
    if (!options.against.empty()) {
        if (!context.client.json) {
            context.terminal.line(fmt::format("\nagainst {}", options.against));
        }
        const auto against = run(context, *std::move(other), *suite, options.timeout_s);
        if (!against) {
            return context.complain(against.error());
        }
        const auto differences = conform::differences(*report, *against);
        out["against"] = conform::json_of(*against);
        out["differences"] = conform::json_of(differences);
        if (!context.client.json) {
            context.terminal.line(conform::summary_of(*against));
            context.terminal.line(fmt::format("\n{} differences", differences.size()));
            for (const conform::Difference& difference : differences) {
                context.terminal.line(printable(conform::line_of(difference)));
            }
        }
    }
    if (context.client.json) {
        context.terminal.line(json_text(out));
    }
    return report->musts_failed() == 0 ? ExitCode::ok : ExitCode::failed;
}

}  // namespace nova::app

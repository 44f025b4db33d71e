// explain: what nova makes of an engine's log, whoever started the engine.
#include <fstream>
#include <iostream>
#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "app/commands.hpp"
#include "core/json.hpp"
#include "lifecycle/failure_reading.hpp"

namespace nova::app {
namespace {

Result<std::string> text_of(const std::string& file) {
    if (file == "-") {
        return std::string{std::istreambuf_iterator<char>{std::cin}, {}};
    }
    std::ifstream in{file, std::ios::binary};
    std::string text{std::istreambuf_iterator<char>{in}, {}};
    if (!in.good() && !in.eof()) {
        return fail(ErrorCode::not_found, fmt::format("{} cannot be read.", file));
    }
    return text;
}

}  // namespace

ExitCode explain_command(CommandContext& context, const ExplainOptions& options) {
    const auto log = text_of(options.file);
    if (!log) {
        return context.complain(log.error());
    }
    const runtime::ExitStatus ended{
        .code = options.exit_code,
        .signal = options.exit_signal,
        .out_of_memory = options.out_of_memory
    };
    const auto evidence = lifecycle::evidence_of(*log, options.engine, ended);
    const auto failure =
        lifecycle::read_failure(evidence, ended.text(), {{"engine", options.engine}});
    const lifecycle::OperationError& error = failure.error;
    if (context.client.json) {
        Json out{
            {"code", error.code},
            {"detail", error.detail},
            {"remedy", error.remedy},
            {"retry_helps", !failure.terminal},
            {"log_excerpt", error.log_excerpt}
        };
        out["failure"] = error.failure.empty() ? Json() : Json(error.failure);
        out["confidence"] = error.confidence.empty() ? Json() : Json(error.confidence);
        context.terminal.line(json_text(out));
        return ExitCode::ok;
    }
    context.terminal.line(printable(error.detail));
    context.terminal.line("  " + printable(error.remedy));
    if (!error.failure.empty()) {
        context.terminal.line(fmt::format(
            "  ({}, confidence {}{})", error.failure, error.confidence,
            failure.terminal ? ", trying again does not help" : ""
        ));
    }
    if (!error.log_excerpt.empty()) {
        context.terminal.line(printable(error.log_excerpt));
    }
    return ExitCode::ok;
}

}  // namespace nova::app

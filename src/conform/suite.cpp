// Looks what is spoken there, then asks check by check.
#include "conform/suite.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "conform/talk.hpp"

namespace nova::conform {
namespace {

Task<Reply> first_words(Probe& probe, Dialect dialect) {
    probe.dialect = dialect;
    switch (dialect) {
    case Dialect::openai:
        co_return co_await probe.get("/v1/models");
    case Dialect::anthropic:
        // Nothing that costs anything: a request without a message is refused in the dialect.
        co_return co_await probe.post("/v1/messages", "{}");
    case Dialect::ollama:
        co_return co_await probe.get("/api/version");
    }
    co_return Reply{};
}

bool is_spoken(Dialect dialect, const Reply& reply) {
    const Json body = json_of(reply);
    switch (dialect) {
    case Dialect::openai:
        return reply.status == 200 && at(body, "data").is_array();
    case Dialect::anthropic:
        // llama.cpp refuses it with 500.
        return reply.status == 200 || reply.status == 400 || reply.status == 422 ||
               text_at(body, "type") == "error" ||
               (reply.status == 500 && !text_at(at(body, "error"), "message").empty());
    case Dialect::ollama:
        return reply.status == 200 && !text_at(body, "version").empty();
    }
    return false;
}

std::vector<std::string> names_in(const Json& list) {
    std::vector<std::string> names;
    for (const Json& entry : at(list, "data")) {
        names.push_back(text_at(entry, "id"));
    }
    for (const Json& entry : names.empty() ? at(list, "models") : Json()) {
        names.push_back(text_at(entry, "name"));
    }
    return names;
}

bool makes_embeddings(const std::string& name) {
    return name.find("embed") != std::string::npos;
}

void choose_models(Target& target, const std::vector<std::string>& names) {
    const auto chat = std::ranges::find_if_not(names, makes_embeddings);
    if (target.model.empty() && chat != names.end()) {
        target.model = *chat;
    }
    const auto embedder = std::ranges::find_if(names, makes_embeddings);
    if (target.embed_model.empty() && embedder != names.end()) {
        target.embed_model = *embedder;
    }
}

bool is_in(const std::vector<Dialect>& some, Dialect one) {
    return std::ranges::find(some, one) != some.end();
}

// The dialect in which the endpoint is asked for this check; empty when it speaks none of them.
std::optional<Dialect> dialect_for(const Check& check, const std::vector<Dialect>& spoken) {
    if (check.dialects.empty()) {
        return spoken.front();
    }
    for (const Dialect dialect : check.dialects) {
        if (is_in(spoken, dialect)) {
            return dialect;
        }
    }
    return std::nullopt;
}

bool is_asked_for(const Check& check, const std::vector<std::string>& only) {
    return only.empty() || std::ranges::any_of(only, [&check](const std::string& word) {
               return is_meant(check, word);
           });
}

}  // namespace

unsigned Report::count(Outcome outcome) const {
    return static_cast<unsigned>(std::ranges::count_if(rows, [outcome](const Row& row) {
        return row.verdict.outcome == outcome;
    }));
}

unsigned Report::musts_failed() const {
    return static_cast<unsigned>(std::ranges::count_if(rows, [](const Row& row) {
        return row.verdict.outcome == Outcome::fail && row.check->severity == Severity::must;
    }));
}

bool is_meant(const Check& check, std::string_view word) {
    return check.id == word || (check.id.starts_with(word) && check.id[word.size()] == '.');
}

Task<Result<std::vector<Dialect>>> look_around(Probe& probe, std::vector<Dialect> wanted) {
    if (const auto there = co_await probe.reachable(); !there) {
        co_return propagate(there);
    }
    std::vector<Dialect> spoken;
    std::string heard;
    for (const Dialect dialect : {Dialect::openai, Dialect::anthropic, Dialect::ollama}) {
        if (!wanted.empty() && !is_in(wanted, dialect)) {
            continue;
        }
        const Reply reply = co_await first_words(probe, dialect);
        if (reply.status == 401 || reply.status == 403) {
            co_return fail(
                ErrorCode::unauthorized,
                fmt::format("{} wants a key, or another one.", probe.target().endpoint.text()),
                "Give it in a file: --key-file FILE"
            );
        }
        heard = told(reply);
        // What was asked for is tried even when it does not look like it: its checks say why.
        if (!wanted.empty() || is_spoken(dialect, reply)) {
            spoken.push_back(dialect);
        }
    }
    if (spoken.empty()) {
        co_return fail(
            ErrorCode::unsupported,
            fmt::format(
                "{} speaks neither OpenAI's, Anthropic's nor Ollama's dialect ({}).",
                probe.target().endpoint.text(), heard
            ),
            "Give the root of the API, without /v1."
        );
    }
    for (const Dialect dialect : spoken) {
        probe.dialect = dialect;
        choose_models(probe.target(), names_in(json_of(co_await probe.get(models_path(dialect)))));
    }
    if (probe.target().model.empty()) {
        co_return fail(
            ErrorCode::unsupported, "The endpoint does not say which models it has.",
            "Name one: --model NAME"
        );
    }
    co_return spoken;
}

Task<Result<Report>>
run_suite(Probe& probe, SuiteOptions options, std::function<void(const Row&)> seen) {
    const auto spoken = co_await look_around(probe, options.dialects);
    if (!spoken) {
        co_return propagate(spoken);
    }
    Report report{
        .url = probe.target().endpoint.text() + probe.target().base,
        .model = probe.target().model,
        .dialects = *spoken
    };
    for (const Check& check : all_checks()) {
        const auto dialect = dialect_for(check, *spoken);
        if (!dialect || !is_asked_for(check, options.only)) {
            continue;
        }
        probe.dialect = *dialect;
        const bool was_lost = probe.lost();
        const TimePoint began = probe.clock().now();
        Row row{.check = &check, .verdict = co_await check.run(probe)};
        row.took =
            std::chrono::duration_cast<std::chrono::milliseconds>(probe.clock().now() - began);
        if (probe.lost() && row.verdict.outcome == Outcome::fail && !was_lost) {
            row.verdict = cannot_tell("no connection: " + row.verdict.observed);
        }
        if (seen) {
            seen(row);
        }
        report.rows.push_back(std::move(row));
    }
    co_return report;
}

}  // namespace nova::conform

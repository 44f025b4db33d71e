// Same dialect or translation, and what has to change in either.
#include "gateway/provider_request.hpp"

#include <fmt/format.h>

#include "dialect/endpoint.hpp"
#include "gateway/request_edit.hpp"

namespace nova::gateway {
namespace {

using dialect::Dialect;

// Do client and provider write such a request the same way.
bool same_dialect(const RelayRoute& route, Dialect speaks) {
    switch (route.dialect) {
    case Dialect::openai:
    case Dialect::openai_text:
        return speaks == Dialect::openai;
    case Dialect::anthropic:
        return speaks == Dialect::anthropic;
    case Dialect::ollama:
    case Dialect::ollama_generate:
        return speaks == Dialect::ollama;
    case Dialect::nova:
        break;
    }
    return false;
}

std::optional<std::string_view> path_for(const RelayRoute& route, Dialect speaks) {
    switch (route.operation) {
    case Operation::chat:
        return dialect::path_of(speaks, dialect::Operation::chat);
    case Operation::completion:
        return dialect::path_of(speaks, dialect::Operation::completion);
    case Operation::embedding:
        return dialect::path_of(speaks, dialect::Operation::embedding);
    case Operation::responses:
        break;
    }
    return speaks == Dialect::openai ? std::optional<std::string_view>{"/responses"} : std::nullopt;
}

std::unexpected<Error> no_such_thing(const RelayJob& job, const Upstream& upstream) {
    return fail(Error{
        .code = ErrorCode::unsupported,
        .message = fmt::format("{} has nothing like {}.", upstream.provider, job.route.pattern),
        .word = "unsupported_operation",
    });
}

bool wants_usage_asked(const RelayJob& job, const Upstream& upstream) {
    const bool generates =
        job.route.operation == Operation::chat || job.route.operation == Operation::completion;
    return generates && job.stream && !job.peek.include_usage && upstream.options.include_usage &&
           upstream.speaks == Dialect::openai;
}

Result<ProviderRequest>
in_the_same_dialect(const RelayJob& job, const RouteStep& step, ProviderRequest request) {
    const Upstream& upstream = *step.upstream;
    RequestEdits edits{.model = step.model, .ask_for_usage = wants_usage_asked(job, upstream)};
    if (upstream.speaks == Dialect::openai && has_quirks(upstream.options)) {
        edits.quirks = &upstream.options;
    }
    request.drop_usage = edits.ask_for_usage;
    if (edits.empty()) {
        request.as_it_came = true;
        return request;
    }
    auto text = edited_request(job.body, job.peek, edits);
    if (!text) {
        return propagate(text);
    }
    request.text = std::move(*text);
    return request;
}

Result<ProviderRequest> translated(RelayJob& job, const RouteStep& step, ProviderRequest request) {
    dialect::WriteOptions options = step.upstream->options;
    options.model = step.model.empty() ? job.peek.model : step.model;
    // The request is made anew: to ask for usage changes no byte of the client's, and its own
    // dialect may have to tell it (Ollama's last line, Anthropic's message_delta).
    options.include_usage = true;
    Result<std::string> text;
    if (job.route.operation == Operation::embedding) {
        const auto embed = job.codec().read_embed(job.body);
        if (!embed) {
            return propagate(embed);
        }
        request.dialect = step.upstream->speaks;
        text = dialect::codec_of(request.dialect).write_embed(*embed, options);
    } else {
        const auto chat = job.chat_request();
        if (!chat) {
            return propagate(chat);
        }
        const dialect::Wire wire = dialect::wire_of(step.upstream->speaks, **chat);
        request.dialect = wire.dialect;
        request.path = wire.path;
        text = dialect::codec_of(request.dialect).write_request(**chat, options);
    }
    if (!text) {
        // Others may be able to say it.
        Error error = text.error();
        error.code = ErrorCode::unprocessable;
        return fail(std::move(error));
    }
    request.text = std::move(*text);
    return request;
}

}  // namespace

Result<ProviderRequest> request_for(RelayJob& job, const RouteStep& step) {
    const Dialect speaks = step.upstream->speaks;
    const auto path = path_for(job.route, speaks);
    if (!path) {
        return no_such_thing(job, *step.upstream);
    }
    ProviderRequest request;
    request.path = *path;
    if (same_dialect(job.route, speaks)) {
        request.dialect = job.route.dialect;
        return in_the_same_dialect(job, step, std::move(request));
    }
    if (job.route.operation == Operation::responses) {
        return no_such_thing(job, *step.upstream);
    }
    request.translated = true;
    return translated(job, step, std::move(request));
}

}  // namespace nova::gateway

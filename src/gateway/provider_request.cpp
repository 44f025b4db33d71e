// Same dialect or translation, and what has to change in either.
#include "gateway/provider_request.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>

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
    case Operation::count_tokens:
        return speaks == Dialect::anthropic
                   ? std::optional<std::string_view>{"/messages/count_tokens"}
                   : std::nullopt;
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

// For a header: what a client wrote may hold anything, and be as many as it likes.
std::string as_field(const std::vector<std::string>& names) {
    constexpr std::size_t kLongest = 256;
    std::string text;
    for (const std::string& name : names) {
        if (text.size() + name.size() + 7 > kLongest) {
            text += text.empty() ? "..." : ", ...";
            break;
        }
        text += text.empty() ? "" : ", ";
        for (const char c : name) {
            const bool tame = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                              std::string_view{"._-[]"}.find(c) != std::string_view::npos;
            text += tame ? c : '_';
        }
    }
    return text;
}

bool wants_usage_asked(const RelayJob& job, const Upstream& upstream) {
    const bool generates =
        job.route.operation == Operation::chat || job.route.operation == Operation::completion;
    return generates && job.stream && !job.peek.include_usage && upstream.options.include_usage &&
           upstream.speaks == Dialect::openai;
}

Result<ProviderRequest>
in_the_same_dialect(RelayJob& job, const RouteStep& step, ProviderRequest request) {
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
    auto edited = edited_request(job.body, job.peek, edits);
    if (!edited) {
        return propagate(edited);
    }
    request.text = std::move(edited->text);
    job.left_out = as_field(edited->left_out);
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
        if ((*chat)->messages.empty()) {
            request.asks_nothing = true;
            return request;
        }
        const dialect::Wire wire = dialect::wire_of(step.upstream->speaks, **chat);
        request.dialect = wire.dialect;
        request.path = wire.path;
        const dialect::Codec& codec = dialect::codec_of(request.dialect);
        text = codec.write_request(**chat, options);
        std::vector<std::string> left_out = (*chat)->dropped;
        std::ranges::move(codec.left_out(**chat, options), std::back_inserter(left_out));
        job.left_out = as_field(left_out);
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
    job.left_out.clear();
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

// Paths of upstreams.
#include "dialect/endpoint.hpp"

#include "core/result.hpp"

namespace nova::dialect {
namespace {

struct Paths {
    std::string_view chat;
    std::string_view completion;
    std::string_view embedding;  // empty: it has none
};

Paths paths_of(Dialect speaks) {
    switch (speaks) {
    case Dialect::openai:
    case Dialect::openai_text:
        return {"/chat/completions", "/completions", "/embeddings"};
    case Dialect::anthropic:
        return {"/messages", "/messages", ""};
    case Dialect::ollama:
    case Dialect::ollama_generate:
        return {"/api/chat", "/api/generate", "/api/embed"};  // never its /v1 (trap 80)
    case Dialect::nova:
        return {"", "", ""};  // no upstream speaks it
    }
    return {};
}

}  // namespace

std::optional<std::string_view> path_of(Dialect speaks, Operation operation) {
    const Paths paths = paths_of(speaks);
    std::string_view path;
    switch (operation) {
    case Operation::chat:
        path = paths.chat;
        break;
    case Operation::completion:
        path = paths.completion;
        break;
    case Operation::embedding:
        path = paths.embedding;
        break;
    }
    return path.empty() ? std::nullopt : std::optional{path};
}

Wire wire_of(Dialect speaks, const ChatRequest& request) {
    NOVA_CHECK(speaks != Dialect::nova);
    const bool openai = speaks == Dialect::openai || speaks == Dialect::openai_text;
    const bool bare = request.completion && (request.raw || !request.suffix.empty());
    const bool completion = openai ? bare : request.completion;
    const auto path = path_of(speaks, completion ? Operation::completion : Operation::chat);
    if (openai) {
        return {completion ? Dialect::openai_text : Dialect::openai, *path};
    }
    return {speaks, *path};
}

}  // namespace nova::dialect

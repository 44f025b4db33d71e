// Splices, and the tree for what a splice cannot do.
#include "gateway/request_edit.hpp"

#include <nlohmann/json.hpp>

#include "dialect/json_text.hpp"

namespace nova::gateway {
namespace {

using dialect::Tree;

constexpr std::string_view kAskForUsage = R"("stream_options":{"include_usage":true})";

void apply_quirks(Tree& body, const dialect::WriteOptions& options) {
    if (options.max_completion_tokens && body.contains("max_tokens")) {
        // Both given: the newer word wins (trap 60).
        if (!body.contains("max_completion_tokens")) {
            body["max_completion_tokens"] = body["max_tokens"];
        }
        body.erase("max_tokens");
    }
    for (const std::string& name : options.unsupported) {
        body.erase(name);
    }
    for (const auto& [name, value] : options.defaults) {
        if (body.contains(name)) {
            continue;
        }
        if (const auto tree = dialect::parse_tree(value, "The default")) {
            body[name] = *tree;
        }
    }
}

Result<std::string> rebuilt(std::string_view text, const RequestEdits& edits) {
    auto body = dialect::parse_tree(text, "The request body");
    if (!body) {
        return propagate(body);
    }
    if (!edits.model.empty()) {
        (*body)["model"] = std::string{edits.model};
    }
    if (edits.ask_for_usage) {
        Tree& options = (*body)["stream_options"];
        if (!options.is_object()) {
            options = Tree::object();
        }
        options["include_usage"] = true;
    }
    if (edits.quirks != nullptr) {
        apply_quirks(*body, *edits.quirks);
    }
    return dialect::raw_text(*body);
}

}  // namespace

bool has_quirks(const dialect::WriteOptions& options) {
    return options.max_completion_tokens || !options.unsupported.empty() ||
           !options.defaults.empty();
}

Result<std::string>
edited_request(std::string_view body, const RequestPeek& peek, const RequestEdits& edits) {
    if (edits.quirks != nullptr || (edits.ask_for_usage && peek.stream_options_given) ||
        (!edits.model.empty() && peek.model_bytes == 0)) {
        return rebuilt(body, edits);
    }
    std::string text{body};
    if (edits.ask_for_usage) {
        // The object's end; behind it stands nothing but space, as the peek has seen.
        const std::size_t end = text.rfind('}');
        NOVA_CHECK(end != std::string::npos);
        text.insert(end, kAskForUsage);
        text.insert(end, 1, ',');  // a body that has a model is not empty
    }
    if (!edits.model.empty()) {
        text = with_model(std::move(text), peek, edits.model);
    }
    return text;
}

}  // namespace nova::gateway

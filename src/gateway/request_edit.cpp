// Splices, and the tree for what a splice cannot do.
#include "gateway/request_edit.hpp"

#include <nlohmann/json.hpp>

#include "dialect/json_text.hpp"

namespace nova::gateway {
namespace {

using dialect::Tree;

constexpr std::string_view kAskForUsage = R"("stream_options":{"include_usage":true})";

// Returns what the provider does not know.
std::vector<std::string> apply_quirks(Tree& body, const dialect::WriteOptions& options) {
    if (options.max_completion_tokens && body.contains("max_tokens")) {
        // Both given: the newer word wins (trap 60).
        if (!body.contains("max_completion_tokens")) {
            body["max_completion_tokens"] = body["max_tokens"];
        }
        body.erase("max_tokens");
    }
    std::vector<std::string> left_out;
    for (const std::string& name : options.unsupported) {
        if (body.erase(name) > 0) {
            left_out.push_back(name);
        }
    }
    for (const auto& [name, value] : options.defaults) {
        if (body.contains(name)) {
            continue;
        }
        if (const auto tree = dialect::parse_tree(value, "The default")) {
            body[name] = *tree;
        }
    }
    return left_out;
}

Result<EditedRequest> rebuilt(std::string_view text, const RequestEdits& edits) {
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
    EditedRequest edited;
    if (edits.quirks != nullptr) {
        edited.left_out = apply_quirks(*body, *edits.quirks);
    }
    edited.text = dialect::raw_text(*body);
    return edited;
}

}  // namespace

bool has_quirks(const dialect::WriteOptions& options) {
    return options.max_completion_tokens || !options.unsupported.empty() ||
           !options.defaults.empty();
}

Result<EditedRequest>
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
    return EditedRequest{.text = std::move(text)};
}

}  // namespace nova::gateway

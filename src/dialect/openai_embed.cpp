// OpenAI's embeddings.
#include "dialect/openai_embed.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "dialect/openai_pieces.hpp"

namespace nova::dialect::openai {
Result<void> read_inputs(const Tree* input, std::string_view key, EmbedRequest& request) {
    if (input == nullptr) {
        return fail(ErrorCode::invalid_argument, fmt::format("{} is missing.", key));
    }
    if (input->is_string()) {
        request.single = true;
        request.inputs = {input->get<std::string>()};
        return {};
    }
    if (!input->is_array() || input->empty()) {
        return fail(
            ErrorCode::invalid_argument,
            fmt::format("{} must be a string or a list of strings.", key)
        );
    }
    for (const Tree& value : *input) {
        if (!value.is_string()) {
            return fail(
                ErrorCode::invalid_argument,
                fmt::format("{} as token numbers cannot be translated for this provider.", key)
            );
        }
        request.inputs.push_back(value.get<std::string>());
    }
    return {};
}

bool is_vector(const std::vector<float>& numbers) {
    return std::ranges::all_of(numbers, [](float number) { return std::isfinite(number); });
}

Result<EmbedRequest> read_embed(std::string_view body) {
    const auto tree = parse_tree(body, "The body");
    if (!tree) {
        return propagate(tree);
    }
    Members members{*tree, {}};
    EmbedRequest request;
    request.model = members.required_text("model");
    const std::string coding = members.text("encoding_format").value_or("float");
    if (coding != "float" && coding != "base64") {
        members.complain("encoding_format", "must be float or base64.");
    }
    request.base64 = coding == "base64";
    request.dimensions = members.integer("dimensions");
    if (members.error()) {
        return fail(*members.error());
    }
    if (const auto read = read_inputs(members.any("input"), "input", request); !read) {
        return propagate(read);
    }
    return request;
}

Tree asked_json(const EmbedRequest& request, const WriteOptions& options) {
    Tree out = Tree::object();
    out["model"] = options.model.empty() ? request.model : options.model;
    out["input"] = request.single && request.inputs.size() == 1 ? Tree(request.inputs.front())
                                                                : Tree(request.inputs);
    return out;
}

std::string write_embed(const EmbedRequest& request, const WriteOptions& options) {
    Tree out = asked_json(request, options);
    out["encoding_format"] = "float";
    if (request.dimensions) {
        out["dimensions"] = *request.dimensions;
    }
    drop_unsupported(out, options);
    return raw_text(out);
}

Result<EmbedAnswer> read_embed_answer(std::string_view body) {
    const auto tree = parse_tree(body, "The answer");
    if (!tree || !tree->is_object() || !tree->contains("data") || !(*tree)["data"].is_array()) {
        return fail(ErrorCode::upstream_failed, "The provider's answer holds no embeddings.");
    }
    EmbedAnswer answer;
    answer.model = text_of(member(*tree, "model"));
    for (const Tree& row : (*tree)["data"]) {
        const Tree value = row.is_object() ? row.value("embedding", Tree{}) : Tree{};
        std::vector<float> vector;
        if (value.is_string()) {
            auto decoded = floats_of_base64(value.get_ref<const std::string&>());
            if (!decoded) {
                return propagate(decoded);
            }
            vector = std::move(*decoded);
        } else if (value.is_array()) {
            for (const Tree& number : value) {
                vector.push_back(
                    number.is_number() ? number.get<float>()
                                       : std::numeric_limits<float>::quiet_NaN()
                );
            }
        } else {
            return fail(ErrorCode::upstream_failed, "The provider's answer lacks an embedding.");
        }
        if (!is_vector(vector)) {
            return fail(
                ErrorCode::upstream_failed,
                "The provider's answer holds an embedding of no numbers."
            );
        }
        answer.vectors.push_back(std::move(vector));
    }
    const Tree usage = tree->value("usage", Tree{});
    if (usage.is_object() && usage.contains("prompt_tokens") &&
        usage["prompt_tokens"].is_number_unsigned()) {
        answer.prompt_tokens = usage["prompt_tokens"].get<std::uint64_t>();
    }
    return answer;
}

std::string write_embed_answer(const EmbedAnswer& answer, const EmbedRequest& request) {
    Tree out = Tree::object();
    out["object"] = "list";
    out["data"] = Tree::array();
    for (std::size_t i = 0; i < answer.vectors.size(); ++i) {
        Tree row = Tree::object();
        row["object"] = "embedding";
        row["index"] = i;
        row["embedding"] =
            request.base64 ? Tree(base64_of_floats(answer.vectors[i])) : Tree(answer.vectors[i]);
        out["data"].push_back(std::move(row));
    }
    out["model"] = request.model;
    const std::uint64_t tokens = answer.prompt_tokens.value_or(0);
    out["usage"]["prompt_tokens"] = tokens;
    out["usage"]["total_tokens"] = tokens;
    return raw_text(out);
}

}  // namespace nova::dialect::openai

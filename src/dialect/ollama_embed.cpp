// Ollama's embeddings. The older /api/embeddings takes one text and is not spoken (trap 93).
#include "dialect/ollama_embed.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "dialect/json_text.hpp"
#include "dialect/openai_embed.hpp"
#include "dialect/openai_pieces.hpp"

namespace nova::dialect::ollama {

Result<EmbedRequest> read_embed(std::string_view body) {
    const auto tree = parse_tree(body, "The body");
    if (!tree) {
        return propagate(tree);
    }
    Members members{*tree, {}};
    EmbedRequest request;
    request.model = members.required_text("model");
    request.dimensions = members.integer("dimensions");
    request.truncate = members.boolean("truncate");
    if (members.error()) {
        return fail(*members.error());
    }
    if (const auto read = openai::read_inputs(members.any("input"), "input", request); !read) {
        return propagate(read);
    }
    return request;
}

std::string write_embed(const EmbedRequest& request, const WriteOptions& options) {
    Tree out = openai::asked_json(request, options);
    put(out, "truncate", request.truncate);
    put(out, "dimensions", request.dimensions);
    openai::drop_unsupported(out, options);
    return raw_text(out);
}

Result<EmbedAnswer> read_embed_answer(std::string_view body) {
    const auto tree = parse_tree(body, "The answer");
    if (!tree || !member(*tree, "embeddings").is_array()) {
        return fail(ErrorCode::upstream_failed, "The provider's answer holds no embeddings.");
    }
    EmbedAnswer answer;
    answer.model = text_of(member(*tree, "model"));
    for (const Tree& row : member(*tree, "embeddings")) {
        if (!row.is_array() ||
            !std::ranges::all_of(row, [](const Tree& v) { return v.is_number(); })) {
            return fail(ErrorCode::upstream_failed, "The provider's answer lacks an embedding.");
        }
        answer.vectors.push_back(row.get<std::vector<float>>());
        if (!openai::is_vector(answer.vectors.back())) {
            return fail(
                ErrorCode::upstream_failed,
                "The provider's answer holds an embedding of no numbers."
            );
        }
    }
    answer.prompt_tokens = count_in(*tree, "prompt_eval_count");
    return answer;
}

std::string write_embed_answer(const EmbedAnswer& answer, const EmbedRequest& request) {
    Tree out = Tree::object();
    out["model"] = request.model;
    out["embeddings"] = answer.vectors;
    out["total_duration"] = 0;  // not measured here
    out["load_duration"] = 0;
    put(out, "prompt_eval_count", answer.prompt_tokens);
    return raw_text(out);
}

}  // namespace nova::dialect::ollama

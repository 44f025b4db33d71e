// Lists of tokens.
#include "dialect/logprobs.hpp"

#include <nlohmann/json.hpp>

namespace nova::dialect {
namespace {

Tree number_of(const Tree& value) {
    return value.is_number() ? value : Tree(nullptr);
}

Tree token_json(const Tree& value) {
    Tree out = Tree::object();
    out["token"] = text_of(member(value, "token"));
    out["logprob"] = number_of(member(value, "logprob"));
    const Tree& bytes = member(value, "bytes");
    out["bytes"] = bytes.is_array() ? bytes : Tree(nullptr);
    return out;
}

}  // namespace

RawJson logprobs_from(const Tree& value) {
    Tree out = Tree::array();
    for (std::size_t i = 0; value.is_array() && i < value.size(); ++i) {
        Tree token = token_json(value[i]);
        token["top_logprobs"] = Tree::array();
        const Tree& others = member(value[i], "top_logprobs");
        for (std::size_t j = 0; others.is_array() && j < others.size(); ++j) {
            token["top_logprobs"].push_back(token_json(others[j]));
        }
        out.push_back(std::move(token));
    }
    return out.empty() ? RawJson{} : raw_text(out);
}

RawJson logprobs_from_text(const Tree& value) {
    const Tree& tokens = member(value, "tokens");
    const Tree& numbers = member(value, "token_logprobs");
    const Tree& others = member(value, "top_logprobs");
    Tree out = Tree::array();
    for (std::size_t i = 0; tokens.is_array() && i < tokens.size(); ++i) {
        Tree token = Tree::object();
        token["token"] = text_of(tokens[i]);
        token["logprob"] =
            numbers.is_array() && i < numbers.size() ? number_of(numbers[i]) : Tree(nullptr);
        if (others.is_array() && i < others.size() && others[i].is_object()) {
            for (const auto& [name, number] : others[i].items()) {
                token["top_logprobs"].push_back(Tree{{"token", name}, {"logprob", number}});
            }
        }
        out.push_back(std::move(token));
    }
    return logprobs_from(out);
}

Tree logprobs_list(const std::vector<RawJson>& lists) {
    Tree out = Tree::array();
    for (const RawJson& text : lists) {
        const Tree list = tree_of(text);
        for (std::size_t i = 0; list.is_array() && i < list.size(); ++i) {
            out.push_back(list[i]);
        }
    }
    return out;
}

Tree text_logprobs(const Tree& list) {
    Tree out = Tree::object();
    for (const char* key : {"tokens", "token_logprobs", "top_logprobs", "text_offset"}) {
        out[key] = Tree::array();
    }
    std::size_t offset = 0;
    for (const Tree& token : list) {
        const std::string text = text_of(member(token, "token"));
        out["tokens"].push_back(text);
        out["token_logprobs"].push_back(member(token, "logprob"));
        Tree others = Tree::object();
        for (const Tree& other : member(token, "top_logprobs")) {
            others[text_of(member(other, "token"))] = member(other, "logprob");
        }
        out["top_logprobs"].push_back(std::move(others));
        out["text_offset"].push_back(offset);
        offset += text.size();
    }
    return out;
}

}  // namespace nova::dialect

// Anthropic's turns, read and written. Blocks: reference/engines-and-tools.md 8.8.
#include "dialect/anthropic_turns.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace nova::dialect::anthropic {
namespace {

std::unexpected<Error> refuse(std::string message) {
    return fail(ErrorCode::invalid_argument, std::move(message));
}

Part text_part(std::string text) {
    return Part{.kind = Part::Kind::text, .text = std::move(text)};
}

// Images by address and as base64; those that lie with Anthropic stay as they came.
Part image_part(const Tree& block) {
    const Tree& source = member(block, "source");
    const std::string type = text_of(member(source, "type"));
    Part part{.kind = Part::Kind::image};
    if (type == "base64") {
        part.image.media_type = text_of(member(source, "media_type"));
        part.image.base64 = text_of(member(source, "data"));
    } else if (type == "url") {
        part.image.url = text_of(member(source, "url"));
    } else {
        return Part{.kind = Part::Kind::other, .raw = raw_text(block)};
    }
    return part;
}

Result<std::vector<Part>> read_parts(const Tree* content, const std::string& path) {
    std::vector<Part> parts;
    if (content == nullptr) {
        return parts;
    }
    if (content->is_string()) {
        parts.push_back(text_part(content->get<std::string>()));
        return parts;
    }
    if (!content->is_array()) {
        return refuse(path + " must be a string or a list of blocks.");
    }
    for (const Tree& block : *content) {
        const std::string type = text_of(member(block, "type"));
        if (type == "text") {
            parts.push_back(text_part(text_of(member(block, "text"))));
        } else if (type == "image") {
            parts.push_back(image_part(block));
        } else {
            parts.push_back(Part{.kind = Part::Kind::other, .raw = raw_text(block)});
        }
    }
    return parts;
}

class TurnReader {
public:
    Result<void> take(const Tree& turn, const std::string& path) {
        Members members{turn, path};
        const std::string role = members.required_text("role");
        if (members.error()) {
            return fail(*members.error());
        }
        if (role != "user" && role != "assistant" && role != "system") {
            return refuse(
                fmt::format("{}.role must be user, assistant or system, not `{}`.", path, role)
            );
        }
        Message message;
        message.role = role == "user"        ? Role::user
                       : role == "assistant" ? Role::assistant
                                             : Role::system;
        const std::string where = path + ".content";
        const Tree* content = members.any("content");
        if (content != nullptr && content->is_string()) {
            message.content.push_back(text_part(content->get<std::string>()));
        } else if (content == nullptr || !content->is_array()) {
            return refuse(where + " must be a string or a list of blocks.");
        }
        const std::size_t before = out_.messages.size();
        for (std::size_t i = 0; content->is_array() && i < content->size(); ++i) {
            const auto taken = take_block((*content)[i], fmt::format("{}[{}]", where, i), message);
            if (!taken) {
                return taken;
            }
        }
        const bool says_something =
            !message.content.empty() || !message.tool_calls.empty() || message.reasoning;
        if (says_something || out_.messages.size() == before) {
            out_.messages.push_back(std::move(message));
        }
        return {};
    }

    Conversation done() && { return std::move(out_); }

private:
    Result<void> take_block(const Tree& block, const std::string& path, Message& message) {
        Members members{block, path};
        const std::string type = members.required_text("type");
        Message* marked = &message;
        if (type == "text") {
            message.content.push_back(text_part(members.text("text").value_or("")));
        } else if (type == "image") {
            message.content.push_back(image_part(block));
        } else if (type == "tool_use") {
            take_call(members, message);
        } else if (type == "tool_result") {
            if (const auto taken = take_result(members, path); !taken) {
                return taken;
            }
            marked = &out_.messages.back();
        } else if (type == "thinking") {
            Thought thought{.text = members.text("thinking").value_or("")};
            thought.signature = members.text("signature").value_or("");
            message.reasoning = message.reasoning.value_or("") + thought.text;
            if (!thought.signature.empty()) {
                message.thoughts.push_back(std::move(thought));
            }
        } else if (type == "redacted_thinking") {
            message.thoughts.push_back({.redacted = members.text("data").value_or("")});
        } else {
            message.content.push_back(Part{.kind = Part::Kind::other, .raw = raw_text(block)});
        }
        if (const Tree* mark = members.any("cache_control")) {
            marked->cache_control = raw_text(*mark);
        }
        return members.error() ? Result<void>{fail(*members.error())} : Result<void>{};
    }

    void take_call(Members& members, Message& message) {
        ToolCall call;
        call.id = members.text("id").value_or("");
        call.name = members.required_text("name");
        call.arguments = arguments_text(members.any("input"));
        names_[call.id] = call.name;
        message.tool_calls.push_back(std::move(call));
    }

    Result<void> take_result(Members& members, const std::string& path) {
        Message result;
        result.role = Role::tool;
        result.tool_call_id = members.required_text("tool_use_id");
        if (const auto name = names_.find(result.tool_call_id); name != names_.end()) {
            result.name = name->second;  // engines that match by name need it (trap 52)
        }
        result.tool_failed = members.boolean("is_error").value_or(false);
        auto content = read_parts(members.any("content"), path + ".content");
        if (!content) {
            return propagate(content);
        }
        result.content = std::move(*content);
        out_.messages.push_back(std::move(result));
        return {};
    }

    Conversation out_;
    std::map<std::string, std::string> names_;  // of calls, by id
};

// ---- writing

// The letters Anthropic takes in an id; other engines make up "functions.f:0".
std::string plain_id(std::string_view id) {
    std::string out{id};
    for (char& c : out) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '_' || c == '-';
        c = plain ? c : '_';
    }
    return out.empty() ? "_" : out;
}

Tree text_block(std::string_view text) {
    Tree block = Tree::object();
    block["type"] = "text";
    block["text"] = text;
    return block;
}

Tree image_block(const Image& image) {
    Tree block = Tree::object();
    block["type"] = "image";
    Tree& source = block["source"];
    if (image.base64.empty()) {
        source["type"] = "url";
        source["url"] = image.url;
    } else {
        source["type"] = "base64";
        source["media_type"] =
            image.media_type.empty() ? image_type_of(image.base64) : image.media_type;
        source["data"] = image.base64;
    }
    return block;
}

// Blocks of text that say nothing are refused by Anthropic.
void add_parts(const std::vector<Part>& parts, Tree& blocks) {
    for (const Part& part : parts) {
        switch (part.kind) {
        case Part::Kind::text:
            if (!part.text.empty()) {
                blocks.push_back(text_block(part.text));
            }
            break;
        case Part::Kind::image:
            blocks.push_back(image_block(part.image));
            break;
        case Part::Kind::other:
            blocks.push_back(tree_of(part.raw));
            break;
        }
    }
}

// A string where that says it all.
Tree content_of(Tree blocks) {
    const bool plain =
        blocks.size() == 1 && blocks[0].size() == 2 && member(blocks[0], "type") == Tree("text");
    return plain ? Tree(blocks[0]["text"]) : std::move(blocks);
}

Tree result_block(const Message& message) {
    Tree block = Tree::object();
    block["type"] = "tool_result";
    block["tool_use_id"] = plain_id(message.tool_call_id);
    Tree content = Tree::array();
    add_parts(message.content, content);
    if (!content.empty()) {
        block["content"] = content_of(std::move(content));
    }
    if (message.tool_failed) {
        block["is_error"] = true;
    }
    if (message.cache_control) {
        block["cache_control"] = tree_of(*message.cache_control);
    }
    return block;
}

Tree call_block(const ToolCall& call) {
    Tree block = Tree::object();
    block["type"] = "tool_use";
    block["id"] = plain_id(call.id);
    block["name"] = call.name;
    block["input"] = input_of(call.arguments);
    return block;
}

Tree blocks_of(const Message& message) {
    Tree blocks = Tree::array();
    // Thinking nobody has signed is refused.
    for (const Thought& thought : message.thoughts) {
        blocks.push_back(thought_block(thought));
    }
    const std::size_t before = blocks.size();
    add_parts(message.content, blocks);
    for (const ToolCall& call : message.tool_calls) {
        blocks.push_back(call_block(call));
    }
    if (message.cache_control && blocks.size() > before) {
        blocks.back()["cache_control"] = tree_of(*message.cache_control);
    }
    return blocks;
}

struct Turn {
    bool user = true;
    Tree results = Tree::array();
    Tree blocks = Tree::array();
};

Turn& turn_of(bool user, std::vector<Turn>& turns) {
    if (turns.empty() || turns.back().user != user) {
        turns.push_back(Turn{.user = user});
    }
    return turns.back();
}

// An answer that is to be gone on with must not end in white space.
void trim_end(std::vector<Turn>& turns) {
    if (turns.empty() || turns.back().user) {
        return;
    }
    Tree& blocks = turns.back().blocks;
    while (!blocks.empty() && member(blocks.back(), "type") == Tree("text")) {
        auto& text = blocks.back()["text"].get_ref<std::string&>();
        text.erase(text.find_last_not_of(" \t\r\n") + 1);
        if (!text.empty()) {
            return;
        }
        blocks.erase(blocks.size() - 1);
    }
    if (blocks.empty()) {
        turns.pop_back();
    }
}

}  // namespace

Tree thought_block(const Thought& thought) {
    Tree block = Tree::object();
    if (!thought.redacted.empty()) {
        block["type"] = "redacted_thinking";
        block["data"] = thought.redacted;
        return block;
    }
    block["type"] = "thinking";
    block["thinking"] = thought.text;
    block["signature"] = thought.signature;
    return block;
}

Tree input_of(std::string_view arguments) {
    if (arguments.find_first_not_of(" \t\r\n") == std::string_view::npos) {
        return Tree::object();
    }
    auto tree = parse_tree(arguments, "arguments");
    if (tree && tree->is_object()) {
        return std::move(*tree);
    }
    Tree wrapped = Tree::object();
    wrapped["INVALID_JSON"] = arguments;
    return wrapped;
}

Result<Conversation> read_turns(const Tree& turns) {
    TurnReader reader;
    for (std::size_t i = 0; i < turns.size(); ++i) {
        if (const auto taken = reader.take(turns[i], fmt::format("messages[{}]", i)); !taken) {
            return propagate(taken);
        }
    }
    return std::move(reader).done();
}

Result<Message> read_system(const Tree& system) {
    auto parts = read_parts(&system, "system");
    if (!parts) {
        return propagate(parts);
    }
    Message message;
    message.role = Role::system;
    message.content = std::move(*parts);
    for (std::size_t i = 0; system.is_array() && i < system.size(); ++i) {
        if (const Tree& mark = member(system[i], "cache_control"); !mark.is_null()) {
            message.cache_control = raw_text(mark);
        }
    }
    return message;
}

Tree turns_json(const std::vector<Message>& messages) {
    std::vector<Turn> turns;
    for (const Message& message : messages) {
        if (message.role == Role::system || message.role == Role::developer) {
            continue;
        }
        if (message.role == Role::tool) {
            turn_of(true, turns).results.push_back(result_block(message));
            continue;
        }
        for (Tree& block : blocks_of(message)) {
            turn_of(message.role == Role::user, turns).blocks.push_back(std::move(block));
        }
    }
    trim_end(turns);
    Tree out = Tree::array();
    if (turns.empty() || !turns.front().user) {
        Tree first = Tree::object();
        first["role"] = "user";
        first["content"] = ".";  // the user speaks first, and says something
        out.push_back(std::move(first));
    }
    for (Turn& turn : turns) {
        Tree blocks = std::move(turn.results);
        for (Tree& block : turn.blocks) {
            blocks.push_back(std::move(block));
        }
        Tree item = Tree::object();
        item["role"] = turn.user ? "user" : "assistant";
        item["content"] = content_of(std::move(blocks));
        out.push_back(std::move(item));
    }
    return out;
}

Tree system_json(const std::vector<Message>& messages) {
    Tree blocks = Tree::array();
    std::string joined;
    bool marked = false;
    for (const Message& message : messages) {
        if (message.role != Role::system && message.role != Role::developer) {
            continue;
        }
        Tree said = Tree::array();
        add_parts(message.content, said);
        for (const Tree& block : said) {
            joined += (joined.empty() ? "" : "\n") + text_of(member(block, "text"));
        }
        if (message.cache_control && !said.empty()) {
            said.back()["cache_control"] = tree_of(*message.cache_control);
            marked = true;
        }
        for (Tree& block : said) {
            blocks.push_back(std::move(block));
        }
    }
    if (blocks.empty()) {
        return {};
    }
    return marked ? std::move(blocks) : Tree(joined);
}

}  // namespace nova::dialect::anthropic

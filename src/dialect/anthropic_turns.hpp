// The conversation of an Anthropic request: turns of blocks here, messages there.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dialect/codec.hpp"
#include "dialect/json_text.hpp"

namespace nova::dialect::anthropic {

struct Conversation {
    std::vector<Message> messages;
    std::vector<std::string> dropped;
};

// A turn's tool results become messages of their own, before what else the user says in it. Error:
// invalid_argument.
Result<Conversation> read_turns(const Tree& turns);

// Text of `system`, a string or a list of text blocks, as one message.
Result<Message> read_system(const Tree& system);

// Turns of user and assistant by turns, the user first; tool results before the text of their turn.
Tree turns_json(const std::vector<Message>& messages);
// What system and developer messages say; null where there are none.
Tree system_json(const std::vector<Message>& messages);

// A block of thinking that was proven, or redacted.
Tree thought_block(const Thought& thought);

// A call's arguments as the object Anthropic wants; text that is none is wrapped the way its
// documentation says, so that the model sees what it wrote.
Tree input_of(std::string_view arguments);

}  // namespace nova::dialect::anthropic

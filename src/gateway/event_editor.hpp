// Changes whole events of a stream on their way to the client, where that cannot be avoided: the
// name of the model, and the usage event nobody asked for.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "gateway/first_content.hpp"

namespace nova::gateway {

// The first "model" of a JSON text, with another value (quoted JSON). The text as it is when it
// has none. Fine for chunks, whose own model stands before anything a model wrote.
std::string with_model_name(std::string_view json, std::string_view model_json);

// May an event in these bytes tell of an error? What a model wrote has its quotes escaped.
bool may_tell_of_error(std::string_view bytes);

class EventEditor {
public:
    struct Edits {
        std::string model_json{};  // empty: stays
        bool drop_usage = false;   // OpenAI's chunk with usage and no choices (trap 57)
        // For events that tell of an error: what a provider says then may quote the key it was
        // given. Empty: they stay.
        std::function<std::string(std::string_view)> clean_error{};
    };

    EventEditor(Edits edits, Framing framing);

    // Whole events that may leave now; valid until the next call.
    std::string_view take(std::string_view piece);

    // At the end: an event without its border.
    std::string_view rest() const { return pending_; }

private:
    void edit(std::string_view event);

    Edits edits_;
    Framing framing_;
    std::string pending_;
    std::string out_;
};

}  // namespace nova::gateway

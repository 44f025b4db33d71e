// Event by event; memory is bounded by letting a monster go unchanged.
#include "gateway/event_editor.hpp"

#include <cstring>

#include "gateway/json_scan.hpp"

namespace nova::gateway {
namespace {

constexpr std::size_t kLongestEvent = 1024U * 1024U;
constexpr std::size_t kNone = std::string_view::npos;

// [begin, end) of the first "model" string, quotes included; both 0 when there is none.
std::pair<std::size_t, std::size_t> model_span(std::string_view json) {
    for (std::size_t at = find_value(json, R"("model")"); at != kNone;
         at = find_value(json, R"("model")", at)) {
        if (json[at] != '"') {
            continue;
        }
        for (std::size_t end = at + 1; end < json.size(); ++end) {
            if (json[end] == '\\') {
                ++end;
            } else if (json[end] == '"') {
                return {at, end + 1};
            }
        }
    }
    return {0, 0};
}

bool is_usage_only(std::string_view event) {
    const std::size_t choices = find_value(event, R"("choices")");
    return choices != kNone && event[choices] == '[' && !has_value(event, R"("choices")") &&
           has_value(event, R"("usage")");
}

}  // namespace

std::string with_model_name(std::string_view json, std::string_view model_json) {
    const auto [begin, end] = model_span(json);
    std::string text{json};
    if (end != 0) {
        text.replace(begin, end - begin, model_json);
    }
    return text;
}

bool may_tell_of_error(std::string_view bytes) {
    // Each piece of a stream comes by: find() would stop at every quote of its JSON.
    constexpr std::string_view kWord = R"("error")";
    return ::memmem(bytes.data(), bytes.size(), kWord.data(), kWord.size()) != nullptr;
}

EventEditor::EventEditor(Edits edits, Framing framing)
    : edits_{std::move(edits)}, framing_{framing} {}

std::string_view EventEditor::take(std::string_view piece) {
    out_.clear();
    pending_.append(piece);
    std::size_t done = 0;
    const std::string_view bytes = pending_;
    while (const std::size_t size = first_event(bytes.substr(done), framing_)) {
        edit(bytes.substr(done, size));
        done += size;
    }
    if (bytes.size() - done > kLongestEvent) {
        out_.append(bytes.substr(done));
        done = bytes.size();
    }
    pending_.erase(0, done);
    return out_;
}

void EventEditor::edit(std::string_view event) {
    if (edits_.drop_usage && is_usage_only(event)) {
        return;
    }
    if (edits_.clean_error && may_tell_of_error(event)) {
        out_.append(edits_.clean_error(event));
        return;
    }
    if (edits_.model_json.empty()) {
        out_.append(event);
        return;
    }
    const auto [begin, end] = model_span(event);
    if (end == 0) {
        out_.append(event);
        return;
    }
    out_.append(event.substr(0, begin)).append(edits_.model_json).append(event.substr(end));
}

}  // namespace nova::gateway

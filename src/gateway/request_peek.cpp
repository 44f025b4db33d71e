// simdjson on demand over the top level of the body.
#include "gateway/request_peek.hpp"

#include <string_view>

#include <nlohmann/json.hpp>
#include <simdjson.h>

#include "core/json.hpp"

namespace nova::gateway {
namespace {

namespace od = simdjson::ondemand;

std::unexpected<Error> bad(std::string message) {
    return fail(
        ErrorCode::invalid_argument, std::move(message),
        "Send one JSON object with \"model\" and the fields of the OpenAI API."
    );
}

const char* const kNotJson = "The request body is not valid JSON.";

struct Seen {
    RequestPeek peek;
    bool model = false;
};

// The library's own conversion throws where a word only begins like null.
bool is_null(od::value& value) {
    bool null = false;
    return value.is_null().get(null) == simdjson::SUCCESS && null;
}

// Reads one member; a message when it is wrong.
std::string take_model(od::value value, Seen& seen, const std::string& body, bool optional) {
    if (seen.model) {
        return "The request body names \"model\" twice.";
    }
    const std::string_view token = value.raw_json_token();
    seen.peek.model_at = static_cast<std::size_t>(token.data() - body.data());
    seen.peek.model_bytes = token.size();
    std::string_view text;
    if (optional && is_null(value)) {
        return {};
    }
    if (value.get_string().get(text) != simdjson::SUCCESS) {
        return "\"model\" must be a string.";
    }
    seen.peek.model = text;
    seen.model = true;
    return {};
}

std::string take_flag(od::value value, std::string_view name, bool& flag) {
    // null means absent (trap 58).
    if (is_null(value)) {
        flag = false;
        return {};
    }
    if (value.get_bool().get(flag) != simdjson::SUCCESS) {
        return "\"" + std::string{name} + "\" must be true or false.";
    }
    return {};
}

std::string take_stream_options(od::value value, Seen& seen) {
    if (is_null(value)) {
        return {};
    }
    od::object options;
    if (value.get_object().get(options) != simdjson::SUCCESS) {
        return "\"stream_options\" must be an object.";
    }
    od::value usage;
    if (options.find_field_unordered("include_usage").get(usage) == simdjson::SUCCESS) {
        return take_flag(usage, "stream_options.include_usage", seen.peek.include_usage);
    }
    return {};
}

}  // namespace

struct RequestPeeker::Impl {
    od::parser parser;
};

RequestPeeker::RequestPeeker() : impl_{std::make_unique<Impl>()} {}

RequestPeeker::~RequestPeeker() = default;

Result<RequestPeek> RequestPeeker::peek(std::string& body, Model model) {
    body.reserve(body.size() + simdjson::SIMDJSON_PADDING);
    od::document document;
    if (impl_->parser.iterate(body.data(), body.size(), body.capacity()).get(document) !=
        simdjson::SUCCESS) {
        return bad(kNotJson);
    }
    od::object object;
    const auto opened = document.get_object().get(object);
    if (opened == simdjson::INCORRECT_TYPE) {
        return bad("The request body must be one JSON object.");
    }
    if (opened != simdjson::SUCCESS) {
        return bad(kNotJson);
    }
    Seen seen;
    for (auto member : object) {
        od::field field;
        if (std::move(member).get(field) != simdjson::SUCCESS) {
            return bad(kNotJson);
        }
        std::string_view key;
        if (field.unescaped_key().get(key) != simdjson::SUCCESS) {
            return bad(kNotJson);
        }
        std::string wrong;
        if (key == "model") {
            wrong = take_model(field.value(), seen, body, model == Model::optional);
        } else if (key == "stream") {
            seen.peek.stream_given = !field.value().raw_json_token().starts_with("null");
            wrong = take_flag(field.value(), key, seen.peek.stream);
        } else if (key == "stream_options") {
            seen.peek.stream_options_given = true;
            wrong = take_stream_options(field.value(), seen);
        }
        if (!wrong.empty()) {
            return bad(std::move(wrong));
        }
    }
    // Whatever stands behind the object (a second one, a stray bracket) makes it no JSON document.
    const char* rest = nullptr;
    if (document.current_location().get(rest) == simdjson::SUCCESS &&
        rest < body.data() + body.size()) {
        return bad(kNotJson);
    }
    if (model == Model::required && seen.peek.model.empty()) {
        return bad("The request body has no \"model\".");
    }
    return std::move(seen.peek);
}

std::string with_model(std::string body, const RequestPeek& peek, std::string_view model) {
    const std::string quoted = json_text(nlohmann::json(model));
    body.replace(peek.model_at, peek.model_bytes, quoted);
    return body;
}

}  // namespace nova::gateway

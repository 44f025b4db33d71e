// Rendering of errors for clients of the gateway.
#include "gateway/openai_error.hpp"

#include <nlohmann/json.hpp>

#include "core/json.hpp"
#include "net/sse.hpp"

namespace nova::gateway {
namespace {

nlohmann::json body_of(const Error& error) {
    std::string message = error.message;
    if (!error.remedy.empty()) {
        message += " " + error.remedy;
    }
    nlohmann::json inner;
    inner["message"] = std::move(message);
    inner["type"] = policy(error.code).openai_type;
    inner["param"] = nullptr;
    inner["code"] = error.name();
    nlohmann::json body;
    body["error"] = std::move(inner);
    return body;
}

// Engines and clients put any bytes into names; an answer about them must still be valid UTF-8.
}  // namespace

std::string openai_error_body(const Error& error) {
    return json_text(body_of(error));
}

std::string openai_error_body(const Error& error, const Loading& loading) {
    nlohmann::json body = body_of(error);
    nlohmann::json inner;
    inner["phase"] = loading.phase;
    if (loading.progress) {
        inner["progress"] = *loading.progress;
    }
    if (loading.eta_s) {
        inner["eta_s"] = *loading.eta_s;
    }
    body["loading"] = std::move(inner);
    return json_text(body);
}

std::string openai_error_event(const Error& error) {
    return net::sse_event({}, openai_error_body(error));
}

}  // namespace nova::gateway

// Reading of provider errors.
#include "dialect/provider_error.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace nova::dialect {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kLongestSentence = 500;

ErrorCode code_for(int status) {
    switch (status) {
    case 400:
    case 405:
    case 415:
        return ErrorCode::invalid_argument;
    // Our credentials were refused, not the client's: 502 for him (trap 63).
    case 401:
    case 403:
        return ErrorCode::upstream_failed;
    case 402:
        return ErrorCode::upstream_failed;
    case 404:
        return ErrorCode::not_found;
    case 408:
    case 504:
    case 524:
        return ErrorCode::timeout;
    case 409:
        return ErrorCode::conflict;
    case 413:
        return ErrorCode::too_large;
    case 422:
        return ErrorCode::unprocessable;
    case 429:
        return ErrorCode::rate_limited;
    case 503:
    case 529:
        return ErrorCode::unavailable;
    default:
        return ErrorCode::upstream_failed;
    }
}

std::string bounded(std::string text) {
    for (char& c : text) {
        if (static_cast<unsigned char>(c) < 0x20) {
            c = ' ';
        }
    }
    if (text.size() > kLongestSentence) {
        std::size_t end = kLongestSentence;
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) {
            --end;
        }
        text.resize(end);
        text += "...";
    }
    return text;
}

// Codes are strings, and numbers with some (vLLM, SGLang, Gemini, OpenRouter).
std::string word_of(const Tree& error) {
    for (const char* key : {"code", "type", "status"}) {
        const auto it = error.find(key);
        if (it != error.end() && it->is_string() && !it->get_ref<const std::string&>().empty()) {
            return it->get<std::string>();
        }
    }
    return {};
}

std::string sentence_of(const Tree& body) {
    if (body.is_string()) {
        return body.get<std::string>();
    }
    if (!body.is_object()) {
        return {};
    }
    for (const char* key : {"message", "detail", "error"}) {
        const auto it = body.find(key);
        if (it == body.end() || it->is_null()) {
            continue;
        }
        if (it->is_string()) {
            return it->get<std::string>();
        }
        if (it->is_object()) {
            return sentence_of(*it);
        }
        if (it->is_array()) {
            return raw_text(*it);
        }
    }
    return {};
}

int number_in(const Tree& error) {
    for (const char* key : {"code", "status"}) {
        const auto it = error.find(key);
        if (it != error.end() && it->is_number_integer()) {
            const auto value = it->get<std::int64_t>();
            return value >= 400 && value < 600 ? static_cast<int>(value) : 0;
        }
    }
    return 0;
}

int status_in_word(std::string_view word) {
    // Anthropic's words and what OpenAI-compatible servers say beside them.
    constexpr std::array kWords{
        std::pair{"invalid_request_error"sv, 400}, std::pair{"authentication_error"sv, 401},
        std::pair{"billing_error"sv, 402},         std::pair{"permission_error"sv, 403},
        std::pair{"not_found_error"sv, 404},       std::pair{"request_too_large"sv, 413},
        std::pair{"rate_limit_error"sv, 429},      std::pair{"rate_limit_exceeded"sv, 429},
        std::pair{"timeout_error"sv, 504},         std::pair{"overloaded_error"sv, 529},
    };
    const auto* const found =
        std::ranges::find(kWords, word, &std::pair<std::string_view, int>::first);
    return found == kWords.end() ? 0 : found->second;
}

}  // namespace

Error broken(std::string_view what) {
    return Error{
        .code = ErrorCode::upstream_failed,
        .message = fmt::format("The provider {}.", what),
        .word = "upstream_broken_answer",
    };
}

Error error_from(int status, const Tree& document) {
    // Gemini wraps its error in a list.
    const bool listed = document.is_array() && !document.empty();
    const Tree& body = listed ? document[0] : document;
    const bool wrapped = body.is_object() && body.contains("error") && body["error"].is_object();
    const Tree& inner = wrapped ? body["error"] : body;
    Error error;
    if (inner.is_object()) {
        error.word = word_of(inner);
        if (status < 400) {
            status = number_in(inner);
            if (status == 0) {
                status = status_in_word(error.word);
            }
        }
    }
    error.code = code_for(status);
    error.message = bounded(sentence_of(inner));
    if (error.message.empty()) {
        error.message = status >= 400 ? fmt::format("The provider answered with HTTP {}.", status)
                                      : "The provider reported an error.";
    }
    if (status == 401 || status == 403) {
        error.word = "upstream_auth_error";
        error.message = fmt::format(
            "The provider refused nova's credentials (HTTP {}): {}", status, error.message
        );
    }
    return error;
}

Error error_from_body(int status, std::string_view body) {
    if (auto tree = parse_tree(body, "The answer")) {
        return error_from(status, *tree);
    }
    const std::size_t start = body.find_first_not_of(" \t\r\n");
    if (start == std::string_view::npos || body[start] == '<') {
        return error_from(status, Tree::object());  // a page for browsers says nothing to clients
    }
    return error_from(status, Tree(std::string{body.substr(start, kLongestSentence)}));
}

}  // namespace nova::dialect

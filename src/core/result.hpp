// Result<T>: how everything the world can cause is reported; NOVA_CHECK for what only a bug can.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.hpp"

namespace nova {

template <class T>
using Result = std::expected<T, Error>;

// `return fail(ErrorCode::not_found, "There is no backend called x.");`
inline std::unexpected<Error> fail(ErrorCode code, std::string message, std::string remedy = {}) {
    return std::unexpected<Error>{
        Error{.code = code, .message = std::move(message), .remedy = std::move(remedy)}
    };
}

inline std::unexpected<Error> fail(Error error) {
    return std::unexpected<Error>{std::move(error)};
}

// Passes a failure on: `if (!image) { co_return propagate(image); }`
template <class T>
std::unexpected<Error> propagate(const Result<T>& result) {
    return std::unexpected<Error>{result.error()};
}

// The same with context in front: "pulling vllm/vllm-openai: no space left on device".
template <class T>
std::unexpected<Error> propagate(const Result<T>& result, std::string_view context) {
    Error error = result.error();
    error.message = std::string{context} + ": " + error.message;
    return std::unexpected<Error>{std::move(error)};
}

// A failure that is dropped on purpose; the reason stands at the call.
template <class T>
void ignore(const Result<T>& /*result*/, std::string_view /*why*/) {}

// Prints what broke and aborts; on in release builds as well.
[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace nova

#define NOVA_CHECK(condition)                                                                      \
    ((condition) ? static_cast<void>(0) : ::nova::check_failed(#condition, __FILE__, __LINE__))

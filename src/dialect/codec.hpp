// Between bytes of a dialect and the neutral forms. Pure; one implementation a dialect.
//
//   client ──read_request──► ChatRequest ──write_request──► upstream
//   client ◄──AnswerWriter── ChatEvent…  ◄──AnswerReader─── upstream
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.hpp"
#include "dialect/chat_event.hpp"
#include "dialect/chat_request.hpp"

namespace nova {
class Clock;
}

namespace nova::dialect {

// What a provider wants that its dialect leaves open; from data/providers.json.
struct WriteOptions {
    std::string model{};                     // goes out instead of the request's
    bool max_completion_tokens = false;      // OpenAI's newer word (trap 59)
    bool include_usage = true;               // ask for usage of a stream
    std::int64_t default_max_tokens = 4096;  // where the dialect demands one (Anthropic)
    bool send_reasoning = false;             // replay reasoning_content (trap 62)
    std::vector<std::string> unsupported{};  // members to leave out, by OpenAI's name
    // Merged below what the request says (trap 90): OpenAI's names.
    std::vector<std::pair<std::string, RawJson>> defaults{};
};

// Reads an upstream's answer. Feed it bytes as they come; it never fails: what it cannot read
// becomes a Failed event, after which it ignores the rest. Memory is bounded (one event or line of
// 16 MiB).
class AnswerReader {
public:
    virtual ~AnswerReader() = default;
    virtual void feed(std::string_view bytes, std::vector<ChatEvent>& out) = 0;
    // The upstream closed. A stream without its end gives Failed (trap 11), never a made-up
    // Finished.
    virtual void end(std::vector<ChatEvent>& out) = 0;
};

struct AnswerIdentity {
    std::string id;     // "chatcmpl-…", used where the upstream gave none
    std::string model;  // what the client asked for (trap 71)
    std::int64_t created = 0;
    bool include_usage = false;
    const Clock* clock = nullptr;  // for the durations that Ollama's answers hold; else they are 0
};

// Writes an answer in the client's dialect.
class AnswerWriter {
public:
    virtual ~AnswerWriter() = default;
    virtual std::string_view content_type() const = 0;
    // Streams: bytes are appended as soon as they can be sent. Whole answers: nothing until end().
    virtual void write(const ChatEvent& event, std::string& out) = 0;
    // After a Failed: nothing more, no [DONE] (issue: streaming). Else the dialect's end.
    virtual void end(std::string& out) = 0;

    // After end(): what of the answer the dialect cannot say. What was written then ends in an
    // error, of which a whole answer consists.
    virtual std::optional<Error> failure() const { return std::nullopt; }
};

class Codec {
public:
    virtual ~Codec() = default;
    // Errors: invalid_argument in one sentence that names the member (HTTP 400).
    virtual Result<ChatRequest> read_request(std::string_view body) const = 0;
    // Error unprocessable: something the dialect cannot say and that must not be dropped silently
    // (an image URL for Ollama, trap 88).
    virtual Result<std::string>
    write_request(const ChatRequest& request, const WriteOptions& options) const = 0;

    // What write_request leaves out of this request because the dialect has no word for it, by
    // OpenAI's names; for X-Nova-Left-Out, behind ChatRequest::dropped.
    virtual std::vector<std::string>
    left_out(const ChatRequest& /*request*/, const WriteOptions& /*options*/) const {
        return {};
    }

    virtual std::unique_ptr<AnswerReader> reader(bool stream) const = 0;
    virtual std::unique_ptr<AnswerWriter> writer(AnswerIdentity identity, bool stream) const = 0;
    // An error answer (status of 400 and up, any content type, at most 64 KiB) as an Error with the
    // upstream's code and sentence kept (trap 63).
    virtual Error read_error(int status, std::string_view body) const = 0;
    // The same the other way: body of an error answer; and the event inside a stream.
    virtual std::string write_error(const Error& error) const = 0;
    virtual std::string write_error_event(const Error& error) const = 0;

    virtual Result<EmbedRequest> read_embed(std::string_view body) const = 0;
    virtual Result<std::string>
    write_embed(const EmbedRequest& request, const WriteOptions& options) const = 0;
    virtual Result<EmbedAnswer> read_embed_answer(std::string_view body) const = 0;
    virtual std::string
    write_embed_answer(const EmbedAnswer& answer, const EmbedRequest& request) const = 0;
};

// They live as long as the program.
const Codec& openai_codec();
const Codec& anthropic_codec();

const Codec& codec_of(Dialect dialect);

}  // namespace nova::dialect

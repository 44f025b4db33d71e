// What all of OpenAI's routes have in common, as the base of their codecs.
#pragma once

#include "dialect/codec.hpp"
#include "dialect/openai_answer.hpp"
#include "dialect/openai_embed.hpp"

namespace nova::dialect::openai {

// The older completions are answered in other words, but read, refused and embedded alike.
class CodecBase : public Codec {
public:
    std::unique_ptr<AnswerReader> reader(bool stream) const final { return openai::reader(stream); }

    Error read_error(int status, std::string_view body) const final {
        return openai::read_error(status, body);
    }

    std::string write_error(const Error& error) const final { return openai::write_error(error); }

    std::string write_error_event(const Error& error) const final {
        return openai::write_error_event(error);
    }

    Result<EmbedRequest> read_embed(std::string_view body) const final {
        return openai::read_embed(body);
    }

    Result<std::string>
    write_embed(const EmbedRequest& request, const WriteOptions& options) const final {
        return openai::write_embed(request, options);
    }

    Result<EmbedAnswer> read_embed_answer(std::string_view body) const final {
        return openai::read_embed_answer(body);
    }

    std::string
    write_embed_answer(const EmbedAnswer& answer, const EmbedRequest& request) const final {
        return openai::write_embed_answer(answer, request);
    }
};

}  // namespace nova::dialect::openai

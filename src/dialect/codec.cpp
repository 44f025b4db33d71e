// The codecs there are.
#include "dialect/codec.hpp"

#include "core/result.hpp"
#include "dialect/nova_codec.hpp"
#include "dialect/ollama_codec.hpp"
#include "dialect/openai_answer.hpp"
#include "dialect/openai_embed.hpp"
#include "dialect/openai_request.hpp"
#include "dialect/openai_text.hpp"
#include "dialect/provider_view.hpp"

namespace nova::dialect {
namespace {

class OpenAiCodec final : public Codec {
public:
    Result<ChatRequest> read_request(std::string_view body) const override {
        return openai::read_request(body);
    }

    Result<std::string>
    write_request(const ChatRequest& request, const WriteOptions& options) const override {
        if (const auto known = check_parts(request, Dialect::openai); !known) {
            return propagate(known);
        }
        return openai::write_request(request, options);
    }

    std::vector<std::string>
    left_out(const ChatRequest& request, const WriteOptions& options) const override {
        return openai::left_out(request, options);
    }

    std::unique_ptr<AnswerReader> reader(bool stream) const override {
        return openai::reader(stream);
    }

    std::unique_ptr<AnswerWriter> writer(AnswerIdentity identity, bool stream) const override {
        return openai::writer(std::move(identity), stream);
    }

    Error read_error(int status, std::string_view body) const override {
        return openai::read_error(status, body);
    }

    std::string write_error(const Error& error) const override {
        return openai::write_error(error);
    }

    std::string write_error_event(const Error& error) const override {
        return openai::write_error_event(error);
    }

    Result<EmbedRequest> read_embed(std::string_view body) const override {
        return openai::read_embed(body);
    }

    Result<std::string>
    write_embed(const EmbedRequest& request, const WriteOptions& options) const override {
        return openai::write_embed(request, options);
    }

    Result<EmbedAnswer> read_embed_answer(std::string_view body) const override {
        return openai::read_embed_answer(body);
    }

    std::string
    write_embed_answer(const EmbedAnswer& answer, const EmbedRequest& request) const override {
        return openai::write_embed_answer(answer, request);
    }
};

}  // namespace

const Codec& openai_codec() {
    static const OpenAiCodec codec;
    return codec;
}

const Codec& codec_of(Dialect dialect) {
    switch (dialect) {
    case Dialect::openai:
        return openai_codec();
    case Dialect::openai_text:
        return openai_text_codec();
    case Dialect::anthropic:
        return anthropic_codec();
    case Dialect::ollama:
        return ollama_codec();
    case Dialect::ollama_generate:
        return ollama_generate_codec();
    case Dialect::nova:
        return nova_codec();
    }
    return openai_codec();
}

}  // namespace nova::dialect

// The codecs there are.
#include "dialect/codec.hpp"

#include "core/result.hpp"
#include "dialect/nova_codec.hpp"
#include "dialect/ollama_codec.hpp"
#include "dialect/openai_answer.hpp"
#include "dialect/openai_base.hpp"
#include "dialect/openai_request.hpp"
#include "dialect/openai_text.hpp"
#include "dialect/provider_view.hpp"

namespace nova::dialect {
namespace {

class OpenAiCodec final : public openai::CodecBase {
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

    std::unique_ptr<AnswerWriter> writer(AnswerIdentity identity, bool stream) const override {
        return openai::writer(std::move(identity), stream);
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

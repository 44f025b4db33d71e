// Anthropic's messages API as a codec.
#include "dialect/anthropic_answer.hpp"
#include "dialect/anthropic_request.hpp"
#include "dialect/codec.hpp"
#include "dialect/provider_error.hpp"

namespace nova::dialect {
namespace {

constexpr const char* kNoEmbeddings = "Anthropic's API has no embeddings.";

class AnthropicCodec final : public Codec {
public:
    Result<ChatRequest> read_request(std::string_view body) const override {
        return anthropic::read_request(body);
    }

    Result<std::string>
    write_request(const ChatRequest& request, const WriteOptions& options) const override {
        return anthropic::write_request(request, options);
    }

    std::vector<std::string>
    left_out(const ChatRequest& request, const WriteOptions& options) const override {
        return anthropic::left_out(request, options);
    }

    std::unique_ptr<AnswerReader> reader(bool stream) const override {
        return anthropic::reader(stream);
    }

    std::unique_ptr<AnswerWriter> writer(AnswerIdentity identity, bool stream) const override {
        return anthropic::writer(std::move(identity), stream);
    }

    Error read_error(int status, std::string_view body) const override {
        return error_from_body(status, body);
    }

    std::string write_error(const Error& error) const override {
        return anthropic::write_error(error);
    }

    std::string write_error_event(const Error& error) const override {
        return anthropic::write_error_event(error);
    }

    Result<EmbedRequest> read_embed(std::string_view /*body*/) const override {
        return fail(ErrorCode::unsupported, kNoEmbeddings);
    }

    Result<std::string>
    write_embed(const EmbedRequest& /*request*/, const WriteOptions& /*options*/) const override {
        return fail(ErrorCode::unsupported, kNoEmbeddings);
    }

    Result<EmbedAnswer> read_embed_answer(std::string_view /*body*/) const override {
        return fail(ErrorCode::unsupported, kNoEmbeddings);
    }

    // Nobody asks in this dialect; should one, it reads the refusal.
    std::string write_embed_answer(const EmbedAnswer& /*answer*/, const EmbedRequest& /*request*/)
        const override {
        return anthropic::write_error(
            Error{.code = ErrorCode::unsupported, .message = kNoEmbeddings}
        );
    }
};

}  // namespace

const Codec& anthropic_codec() {
    static const AnthropicCodec codec;
    return codec;
}

}  // namespace nova::dialect

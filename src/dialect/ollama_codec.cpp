// Ollama's codecs, put together.
#include "dialect/ollama_codec.hpp"

#include "dialect/ollama_answer.hpp"
#include "dialect/ollama_embed.hpp"
#include "dialect/ollama_request.hpp"

namespace nova::dialect {
namespace {

class OllamaCodec final : public Codec {
public:
    explicit OllamaCodec(ollama::Route route) : route_{route} {}

    Result<ChatRequest> read_request(std::string_view body) const override {
        return route_ == ollama::Route::chat ? ollama::read_chat(body)
                                             : ollama::read_generate(body);
    }

    Result<std::string>
    write_request(const ChatRequest& request, const WriteOptions& options) const override {
        return ollama::write_request(request, options);
    }

    std::vector<std::string>
    left_out(const ChatRequest& request, const WriteOptions& options) const override {
        return ollama::left_out(request, options);
    }

    std::unique_ptr<AnswerReader> reader(bool stream) const override {
        return ollama::reader(stream);
    }

    std::unique_ptr<AnswerWriter> writer(AnswerIdentity identity, bool stream) const override {
        return ollama::writer(std::move(identity), stream, route_);
    }

    Error read_error(int status, std::string_view body) const override {
        return ollama::read_error(status, body);
    }

    std::string write_error(const Error& error) const override {
        return ollama::write_error(error);
    }

    std::string write_error_event(const Error& error) const override {
        return ollama::write_error_event(error);
    }

    Result<EmbedRequest> read_embed(std::string_view body) const override {
        return ollama::read_embed(body);
    }

    Result<std::string>
    write_embed(const EmbedRequest& request, const WriteOptions& options) const override {
        return ollama::write_embed(request, options);
    }

    Result<EmbedAnswer> read_embed_answer(std::string_view body) const override {
        return ollama::read_embed_answer(body);
    }

    std::string
    write_embed_answer(const EmbedAnswer& answer, const EmbedRequest& request) const override {
        return ollama::write_embed_answer(answer, request);
    }

private:
    ollama::Route route_;
};

}  // namespace

const Codec& ollama_codec() {
    static const OllamaCodec codec{ollama::Route::chat};
    return codec;
}

const Codec& ollama_generate_codec() {
    static const OllamaCodec codec{ollama::Route::generate};
    return codec;
}

}  // namespace nova::dialect

// Any bytes as Ollama's answer and as a client's request: never a crash, any split gives the same
// events, an answer ends once, and what is read can be written.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/result.hpp"
#include "dialect/dialect_probe.hpp"

namespace {

using namespace nova::dialect;

void check_answer(std::string_view bytes) {
    const auto at_once = codec_of(Dialect::ollama).reader(true);
    const auto in_pieces = codec_of(Dialect::ollama).reader(true);
    const auto events = events_of(*at_once, bytes);
    NOVA_CHECK(in_words(events) == in_words(events_of(*in_pieces, bytes, 1 + bytes.size())));
    std::size_t ends = 0;
    for (const ChatEvent& event : events) {
        ends += std::holds_alternative<Finished>(event) || std::holds_alternative<Failed>(event);
    }
    NOVA_CHECK(ends == 1);
    for (const Dialect dialect :
         {Dialect::openai, Dialect::openai_text, Dialect::ollama, Dialect::ollama_generate,
          Dialect::nova}) {
        for (const bool stream : {true, false}) {
            const auto writer = codec_of(dialect).writer({.id = "i", .model = "m"}, stream);
            std::string out;
            for (const ChatEvent& event : events) {
                writer->write(event, out);
            }
            writer->end(out);
            NOVA_CHECK(!out.empty());
        }
    }
}

void check_request(std::string_view body) {
    for (const Dialect dialect :
         {Dialect::openai_text, Dialect::ollama, Dialect::ollama_generate, Dialect::nova}) {
        if (const auto request = codec_of(dialect).read_request(body)) {
            (void)codec_of(Dialect::ollama).write_request(*request, {});
            NOVA_CHECK(codec_of(Dialect::openai).write_request(*request, {}).has_value());
        }
        (void)codec_of(dialect).read_embed(body);
        (void)codec_of(dialect).read_embed_answer(body);
        (void)codec_of(dialect).read_error(500, body);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view bytes{reinterpret_cast<const char*>(data), size};
    check_answer(bytes);
    check_request(bytes);
    return 0;
}

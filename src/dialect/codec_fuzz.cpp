// Any bytes as requests, answers, errors and embeddings of every dialect, turned into every other.
//
// The first byte chooses: its low half the dialect, its high half what the rest is.
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <nlohmann/json.hpp>

#include "dialect/dialect_probe.hpp"
#include "dialect/json_text.hpp"

namespace nova::dialect {
namespace {

constexpr std::array kDialects{
    Dialect::openai, Dialect::anthropic,       Dialect::openai_text,
    Dialect::ollama, Dialect::ollama_generate, Dialect::nova,
};

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

bool is_json(std::string_view text) {
    return Tree::accept(text.begin(), text.end());
}

// A request that can be read can be written or is refused in a sentence; what is written in the
// same dialect can be read again, and settles.
void check_request(const Codec& codec, std::string_view text) {
    const auto request = codec.read_request(text);
    if (!request) {
        require(!request.error().message.empty());
        return;
    }
    WriteOptions options;
    options.model = "theirs";
    options.unsupported = {"user"};
    options.defaults = {{"temperature", "0.5"}, {"seed", "1"}};
    for (const Dialect dialect : kDialects) {
        const auto written = codec_of(dialect).write_request(*request, options);
        require(written ? is_json(*written) : !written.error().message.empty());
        (void)codec_of(dialect).left_out(*request, options);
    }
    // The first writing may move things (marks, white space); after it they stay.
    std::string last;
    auto said = request;
    for (int round = 0; round < 3; ++round) {
        const auto written = codec.write_request(*said, {});
        if (round == 0 && !written) {
            return;
        }
        require(written && (round < 2 || *written == last));
        last = *written;
        said = codec.read_request(last);
        require(said.has_value());
    }
}

// One failure or one finish, nothing but usage behind a failure, calls counted without gaps.
void check_order(const std::vector<ChatEvent>& events) {
    std::size_t ends = 0;
    std::uint32_t calls = 0;
    bool failed = false;
    for (const ChatEvent& event : events) {
        require(!failed || std::holds_alternative<Usage>(event));
        if (const auto* begun = std::get_if<ToolCallBegun>(&event)) {
            require(begun->index == calls++ && !begun->id.empty());
        } else if (const auto* piece = std::get_if<ToolArgumentsDelta>(&event)) {
            require(piece->index < calls);
        }
        failed = failed || std::holds_alternative<Failed>(event);
        ends += std::holds_alternative<Finished>(event) ? 1U : 0U;
    }
    require(ends <= 1 && (failed || ends == 1));
}

void check_answer(const Codec& codec, std::string_view text, bool stream) {
    const auto reader = codec.reader(stream);
    const auto events = events_of(*reader, text);
    check_order(events);
    for (const std::uint64_t seed : {1U, 2U}) {
        const auto split = codec.reader(stream);
        require(in_words(events_of(*split, text, seed)) == in_words(events));
    }
    const auto bytewise = codec.reader(stream);
    std::vector<ChatEvent> pieces;
    for (const char& byte : text) {
        bytewise->feed({&byte, 1}, pieces);
    }
    bytewise->end(pieces);
    require(in_words(pieces) == in_words(events));
    for (const Dialect dialect : kDialects) {
        for (const bool streamed : {true, false}) {
            const auto writer =
                codec_of(dialect).writer({.id = "i", .model = "m", .created = 1}, streamed);
            std::string out;
            for (const ChatEvent& event : events) {
                writer->write(event, out);
            }
            writer->end(out);
            require(streamed || is_json(out));
            const auto back = codec_of(dialect).reader(streamed);
            check_order(events_of(*back, out));
        }
    }
}

void check_error(const Codec& codec, std::string_view text) {
    const int status = text.empty() ? 500 : 400 + static_cast<unsigned char>(text.front()) % 200;
    const Error error = codec.read_error(status, text.substr(text.empty() ? 0 : 1));
    require(!error.message.empty() && !error.name().empty());
    for (const Dialect dialect : kDialects) {
        require(is_json(codec_of(dialect).write_error(error)));
        require(!codec_of(dialect).write_error_event(error).empty());
    }
}

void check_embed(const Codec& codec, std::string_view text) {
    const auto request = codec.read_embed(text);
    for (const Dialect dialect : kDialects) {
        if (request) {
            const auto written = codec_of(dialect).write_embed(*request, {});
            require(written ? is_json(*written) : !written.error().message.empty());
        }
    }
}

void check_embed_answer(const Codec& codec, std::string_view text) {
    const auto answer = codec.read_embed_answer(text);
    for (const Dialect dialect : kDialects) {
        if (answer) {
            EmbedRequest request;
            request.model = "m";
            request.base64 = answer->vectors.size() % 2 == 1;
            require(is_json(codec_of(dialect).write_embed_answer(*answer, request)));
        }
    }
}

}  // namespace
}  // namespace nova::dialect

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace nova::dialect;
    if (size == 0) {
        return 0;
    }
    const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    const Codec& codec = codec_of(kDialects[(data[0] & 15U) % kDialects.size()]);
    switch ((data[0] >> 4U) % 6U) {
    case 0:
        check_request(codec, text);
        break;
    case 1:
        check_answer(codec, text, true);
        break;
    case 2:
        check_answer(codec, text, false);
        break;
    case 3:
        check_error(codec, text);
        break;
    case 4:
        check_embed(codec, text);
        break;
    default:
        check_embed_answer(codec, text);
        break;
    }
    return 0;
}

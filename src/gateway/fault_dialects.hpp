// For tests: one short answer in every dialect, as providers say it and as clients ask for it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "dialect/codec.hpp"

namespace nova::gateway::testing {

using dialect::Dialect;

// How a provider of a dialect says the same short answer, and its usage of 3 and 2 tokens.
struct Protocol {
    std::string name;
    Dialect speaks;
    std::string base_path;
    std::string stream_type;
    std::string comment;
    std::string opening;
    std::string content;
    std::string ending;
    std::string error_event;
    std::string whole;
};

inline std::string chunk(std::string_view delta, std::string_view reason) {
    return fmt::format(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\","
        "\"choices\":[{{\"index\":0,\"delta\":{},\"finish_reason\":{}}}]}}\n\n",
        delta, reason
    );
}

inline std::string line(std::string_view content, std::string_view rest) {
    return fmt::format(
        "{{\"model\":\"m\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{{\"role\":"
        "\"assistant\",\"content\":\"{}\"}},{}}}\n",
        content, rest
    );
}

inline const std::vector<Protocol>& protocols() {
    static const std::vector<Protocol> all{
        {
            .name = "openai",
            .speaks = Dialect::openai,
            .base_path = "/v1",
            .stream_type = "text/event-stream",
            .comment = ": here\n\n",
            .opening = chunk(R"({"role":"assistant","content":""})", "null"),
            .content = chunk(R"({"content":"Hello"})", "null"),
            .ending = chunk("{}", R"("stop")") +
                      "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,"
                      "\"completion_tokens\":2,\"total_tokens\":5}}\n\ndata: [DONE]\n\n",
            .error_event = "data: {\"error\":{\"message\":\"planned\",\"code\":\"planned\"}}\n\n",
            .whole = R"({"id":"c","object":"chat.completion","created":1,"model":"m","choices":[)"
                     R"({"index":0,"message":{"role":"assistant","content":"Hello"},)"
                     R"("finish_reason":"stop"}],"usage":{"prompt_tokens":3,)"
                     R"("completion_tokens":2,"total_tokens":5}})",
        },
        {
            .name = "ollama",
            .speaks = Dialect::ollama,
            .base_path = "",
            .stream_type = "application/x-ndjson",
            .comment = "\n",
            .opening = line("", R"("done":false)"),
            .content = line("Hello", R"("done":false)"),
            .ending = line(
                "", R"("done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2)"
            ),
            .error_event = "{\"error\":\"planned\"}\n",
            .whole = line(
                "Hello", R"("done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2)"
            ),
        },
        {
            .name = "anthropic",
            .speaks = Dialect::anthropic,
            .base_path = "/v1",
            .stream_type = "text/event-stream",
            .comment = "event: ping\ndata: {\"type\":\"ping\"}\n\n",
            .opening = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{"
                       "\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":"
                       "\"m\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":3,"
                       "\"output_tokens\":0}}}\n\nevent: content_block_start\ndata: {\"type\":"
                       "\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\","
                       "\"text\":\"\"}}\n\n",
            .content = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","
                       "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n",
            .ending = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\","
                      "\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\","
                      "\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}"
                      "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            .error_event = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":"
                           "\"planned\",\"message\":\"planned\"}}\n\n",
            .whole = R"({"id":"msg_1","type":"message","role":"assistant","model":"m","content":[)"
                     R"({"type":"text","text":"Hello"}],"stop_reason":"end_turn",)"
                     R"("usage":{"input_tokens":3,"output_tokens":2}})",
        },
    };
    return all;
}

// What a client of a dialect asks, and how it tells what it was answered.
struct Client {
    std::string name;
    Dialect dialect;
    std::string path;
    std::string body;        // for a stream
    std::string whole_body;  // for an answer that is none
    std::string stream_type;
    std::string ending;  // of an answer that is complete
    std::string whole;   // in one that is no stream
    std::string error;   // how an error answer begins
    std::string error_event;
    bool has_words = false;  // its errors have a place for a code
};

inline const std::vector<Client>& clients() {
    static const std::vector<Client> all{
        {
            .name = "openai",
            .dialect = Dialect::openai,
            .path = "/v1/chat/completions",
            .body = R"({"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]})",
            .whole_body = R"({"model":"m","messages":[{"role":"user","content":"hi"}]})",
            .stream_type = "text/event-stream",
            .ending = "data: [DONE]\n\n",
            .whole = R"("finish_reason":"stop")",
            .error = R"({"error":{"message":)",
            .error_event = R"(data: {"error":{)",
            .has_words = true,
        },
        {
            .name = "anthropic",
            .dialect = Dialect::anthropic,
            .path = "/v1/messages",
            .body = R"({"model":"m","max_tokens":9,"stream":true,)"
                    R"("messages":[{"role":"user","content":"hi"}]})",
            .whole_body = R"({"model":"m","max_tokens":9,)"
                          R"("messages":[{"role":"user","content":"hi"}]})",
            .stream_type = "text/event-stream",
            .ending = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            .whole = R"("stop_reason":"end_turn")",
            .error = R"({"type":"error","error":{)",
            .error_event = "event: error\ndata: {",
        },
        {
            .name = "ollama",
            .dialect = Dialect::ollama,
            .path = "/api/chat",
            .body = R"({"model":"m","messages":[{"role":"user","content":"hi"}]})",
            .whole_body = R"({"model":"m","stream":false,)"
                          R"("messages":[{"role":"user","content":"hi"}]})",
            .stream_type = "application/x-ndjson",
            .ending = "}\n",
            .whole = R"("done_reason":"stop")",
            .error = R"({"error":")",
            .error_event = R"({"error":")",
        },
    };
    return all;
}

// What only a complete stream holds.
inline std::string_view last_word(const Client& client) {
    if (client.dialect == Dialect::anthropic) {
        return "message_stop";
    }
    return client.dialect == Dialect::ollama ? R"("done":true)" : "[DONE]";
}

}  // namespace nova::gateway::testing

// For tests: an endpoint that speaks all three dialects well, but for the one fault it was given.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "core/json.hpp"
#include "core/strong.hpp"
#include "core/task_group.hpp"

namespace nova::conform::testing {

inline constexpr std::string_view kModel = "org/tiny:latest";
inline constexpr std::string_view kEmbedder = "tiny-embed";
inline constexpr std::string_view kKey = "right-key";

struct Heard {
    std::string method{};
    std::string target{};
    std::map<std::string, std::string> fields{};  // names in lower case
    std::string body{};
    bool http_1_0 = false;

    std::string field(const std::string& name) const;
};

struct Said {
    int status = 200;
    std::string type = "application/json";
    std::string body{};
    std::vector<std::pair<std::string, std::string>> fields{};
    bool streamed = false;           // in many small chunks
    bool waits_for_goodbye = false;  // sends the beginning, then nothing until the client left
    bool drop = false;               // closes instead of answering
};

// fault: the id of the check that has to fail; empty: none.
class Script {
public:
    explicit Script(std::string fault) : fault_{std::move(fault)} {}

    bool has(std::string_view fault) const { return fault_ == fault; }

    Said answer(const Heard& heard);

private:
    Said route(const Heard& heard);
    Said openai_chat(const Heard& heard);
    Said openai_stream(const Json& request, const std::string& text, unsigned tokens);
    Said openai_whole(const Json& request, const std::string& text, unsigned tokens);
    Said tool_call(const Json& request);
    Said models(const std::string& target);
    Said embeddings(const Heard& heard);
    Said refused(int status, std::string code, std::string sentence) const;

    Said messages(const Heard& heard);
    Said message_stream(const std::string& text, unsigned tokens) const;

    Said ollama(const Heard& heard);
    Said ollama_chat(const Heard& heard);
    Said ollama_stream(const std::string& text) const;

    bool knows(const Heard& heard) const;
    Said long_one(const std::string& prompt, bool streamed);

    std::string fault_;
    bool stuck_ = false;  // somebody left, and the fault is to go on working for them
};

// The Script on a port of its own.
class ScriptedEndpoint {
public:
    ScriptedEndpoint(boost::asio::io_context& io, std::string fault);

    Endpoint start();
    Task<void> stop();

private:
    struct Session;

    Task<void> accept();
    Task<void> serve(boost::asio::ip::tcp::socket socket);

    Script script_;
    boost::asio::ip::tcp::acceptor acceptor_;
    TaskGroup group_;
};

}  // namespace nova::conform::testing

// chat, logs, events: what arrives bit by bit.
#include <chrono>
#include <iostream>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "app/commands.hpp"
#include "app/commands_blocking.hpp"
#include "app/commands_json.hpp"
#include "core/json.hpp"
#include "net/sse.hpp"

namespace nova::app {
namespace {

constexpr std::chrono::minutes kChatLimit{30};
constexpr std::chrono::seconds kListLimit{30};
constexpr std::size_t kMaxPrompt = std::size_t{16} * 1024 * 1024;

double seconds_between(TimePoint from, TimePoint to) {
    return std::chrono::duration<double>{to - from}.count();
}

// One streamed answer, put together from its events.
class ChatReader {
public:
    ChatReader(Terminal& terminal, const Clock& clock)
        : terminal_{terminal}, clock_{clock}, asked_at_{clock.now()} {}

    // False when nothing more is wanted.
    bool feed(std::string_view bytes) {
        if (const auto fed = parser_.feed(bytes); !fed) {
            error_ = fed.error();
            return false;
        }
        while (const auto event = parser_.next()) {
            if (event->has_data && event->data != "[DONE]") {
                take(event->data);
            }
        }
        return !error_.has_value();
    }

    Result<ChatResult> result() {
        if (error_) {
            return std::unexpected<Error>{*error_};
        }
        if (!answered_) {
            return fail(ErrorCode::upstream_failed, "The engine sent an empty answer.");
        }
        if (first_) {
            result_.first_token_s = seconds_between(asked_at_, *first_);
            const double took = seconds_between(*first_, last_);
            if (result_.tokens_per_s <= 0 && took > 0 && result_.tokens > 1) {
                // The first token is the end of reading the prompt, not a generated one.
                result_.tokens_per_s = static_cast<double>(result_.tokens - 1) / took;
            }
        }
        return result_;
    }

private:
    void take(const std::string& data) {
        const auto event = parse_json(data, "The answer");
        if (!event || !event->is_object()) {
            return;
        }
        if (const auto error = event->find("error"); error != event->end() && !error->is_null()) {
            error_ = error_of_answer(policy(ErrorCode::upstream_failed).http_status, data);
            return;
        }
        answered_ = true;
        result_.model = text_in(*event, "model", result_.model);
        const Json& choices = array_in(*event, "choices");
        if (!choices.empty()) {
            take_text(text_in(object_in(choices[0], "delta"), "content"));
        }
        result_.tokens = count_in(object_in(*event, "usage"), "completion_tokens", result_.tokens);
        // llama.cpp measures itself, without our way in between.
        const Json& timings = object_in(*event, "timings");
        result_.tokens_per_s = number_in(timings, "predicted_per_second", result_.tokens_per_s);
        result_.tokens = count_in(timings, "predicted_n", result_.tokens);
    }

    void take_text(const std::string& text) {
        if (text.empty()) {
            return;
        }
        last_ = clock_.now();
        if (!first_) {
            first_ = last_;
        }
        ++pieces_;
        result_.tokens = pieces_;
        result_.text += text;
        terminal_.raw(terminal_.kind().out_is_terminal ? printable(text) : text);
    }

    Terminal& terminal_;
    const Clock& clock_;
    net::SseParser parser_;
    TimePoint asked_at_;
    std::optional<TimePoint> first_;
    TimePoint last_{};
    std::uint64_t pieces_ = 0;
    bool answered_ = false;  // some event of an answer came
    ChatResult result_;
    std::optional<Error> error_;
};

void add_key(CommandContext& context, net::FetchRequest& request) {
    const Secret key = key_for_gateway(context.client, context.environment, request.endpoint);
    if (!key.empty()) {
        request.headers.emplace_back("Authorization", "Bearer " + key.reveal());
    }
}

// A custom server may run without a model being named: then what it lists first.
Result<std::string> first_listed_model(CommandContext& context, const Endpoint& gateway) {
    SystemClock clock;
    net::FetchRequest request;
    request.endpoint = gateway;
    request.target = "/v1/models";
    add_key(context, request);
    request.deadline = Deadline::in(clock, kListLimit);
    const auto answer = run_blocking<Result<net::FetchResponse>>([&] {
        return net::fetch(clock, std::move(request));
    });
    if (!answer) {
        return propagate(answer);
    }
    if (answer->status != 200) {
        return std::unexpected<Error>{error_of_answer(answer->status, answer->body)};
    }
    const auto list = parse_json(answer->body, "The list of models");
    const std::string model =
        list && !array_in(*list, "data").empty() ? text_in(array_in(*list, "data")[0], "id") : "";
    if (model.empty()) {
        return fail(
            ErrorCode::precondition, "The backend does not say which models it serves.",
            "Name one: nova chat --model NAME"
        );
    }
    return model;
}

Result<std::string>
ready_model(CommandContext& context, ControlClient& client, const Endpoint& gateway) {
    const auto status = client.get("/inference/backend");
    if (!status) {
        return propagate(status);
    }
    const std::string state = text_in(*status, "state", "unknown");
    if (state != "ready") {
        return fail(
            ErrorCode::precondition, fmt::format("No model is ready (state: {}).", state),
            "Start one, for example: nova up"
        );
    }
    std::string model = text_in(*status, "active_model");
    return model.empty() ? first_listed_model(context, gateway) : Result<std::string>{model};
}

Result<std::string> prompt_of(const ChatOptions& options, Terminal& terminal) {
    std::string prompt = options.prompt;
    if (prompt.empty()) {
        if (::isatty(STDIN_FILENO) == 1) {
            terminal.note("Type your message; end it with Ctrl-D on an empty line.");
        }
        prompt.assign(std::istreambuf_iterator<char>{std::cin}, {});
    }
    if (prompt.find_first_not_of(" \t\r\n") == std::string::npos) {
        return fail(
            ErrorCode::invalid_argument, "There is nothing to ask.",
            "Give a prompt: nova chat \"Hello\""
        );
    }
    if (prompt.size() > kMaxPrompt) {
        return fail(ErrorCode::too_large, "The prompt is larger than 16 MiB.");
    }
    return prompt;
}

Json chat_body(const ChatOptions& options) {
    Json messages = Json::array();
    if (!options.system.empty()) {
        messages.push_back({{"role", "system"}, {"content", options.system}});
    }
    messages.push_back({{"role", "user"}, {"content", options.prompt}});
    Json body{
        {"model", options.model},
        {"messages", std::move(messages)},
        {"stream", true},
        {"stream_options", {{"include_usage", true}}},
    };
    if (options.max_tokens) {
        body["max_tokens"] = *options.max_tokens;
    }
    return body;
}

std::string event_line(const Json& event, const std::string& type) {
    std::string line = text_in(event, "at") + "  " + type;
    const Json& data = object_in(event, "data");
    for (const char* key :
         {"slot", "backend", "kind", "target", "state", "phase", "model", "detail"}) {
        if (const std::string text = text_in(data, key); !text.empty()) {
            line += fmt::format("  {}={}", key, text);
        }
    }
    return printable(line);
}

}  // namespace

Result<ChatResult>
stream_chat(CommandContext& context, const Endpoint& gateway, const ChatOptions& options) {
    SystemClock clock;
    net::FetchRequest request;
    request.endpoint = gateway;
    request.method = "POST";
    request.target = "/v1/chat/completions";
    request.headers = {{"Content-Type", "application/json"}, {"Accept", "text/event-stream"}};
    add_key(context, request);
    request.body = json_text(chat_body(options));
    request.deadline = Deadline::in(clock, kChatLimit);
    ChatReader reader{context.terminal, clock};
    StreamedAnswer answer;
    net::StreamSink sink =
        answer.sink([&reader](std::string_view bytes) { return reader.feed(bytes); });
    const auto done = run_blocking<Result<int>>([&] {
        return net::fetch_stream(clock, std::move(request), std::move(sink));
    });
    if (answer.status != 0 && answer.status != 200) {
        return std::unexpected<Error>{error_of_answer(answer.status, answer.refusal)};
    }
    auto result = reader.result();
    if (!done && result) {
        return propagate(done, "The answer was cut");
    }
    return result;
}

std::string stats_line(const ChatResult& result) {
    return fmt::format(
        "{} tokens, {:.1f} tokens/s, first token after {:.0f} ms", result.tokens,
        result.tokens_per_s, result.first_token_s * 1000
    );
}

ExitCode chat_command(CommandContext& context, const ChatOptions& options) {
    auto client = ControlClient::open(context.client, context.environment);
    if (!client) {
        return context.complain(client.error());
    }
    if (!client->running()) {
        return context.complain(
            {.code = ErrorCode::unsupported,
             .message = "nova chat talks to the nova of this machine.",
             .word = {},
             .remedy = "Use --data-dir instead of --url, or any OpenAI client with its gateway."}
        );
    }
    ChatOptions asked = options;
    auto prompt = prompt_of(options, context.terminal);
    if (!prompt) {
        return context.complain(prompt.error());
    }
    asked.prompt = std::move(*prompt);
    if (asked.model.empty()) {
        auto model = ready_model(context, *client, client->running()->gateway);
        if (!model) {
            return context.complain(model.error());
        }
        asked.model = std::move(*model);
    }
    Terminal::Kind kind = context.terminal.kind();
    kind.muted = context.client.json;
    Terminal answer{kind};
    CommandContext inner{context.environment, answer, context.client};
    const auto result = stream_chat(inner, client->running()->gateway, asked);
    if (!result) {
        answer.line("");
        return context.complain(result.error());
    }
    if (context.client.json) {
        context.terminal.line(json_text(Json{
            {"model", result->model},
            {"content", result->text},
            {"tokens", result->tokens},
            {"tokens_per_s", result->tokens_per_s},
            {"first_token_s", result->first_token_s},
        }));
        return ExitCode::ok;
    }
    answer.line("");
    if (options.stats) {
        context.terminal.note(stats_line(*result));
    }
    return ExitCode::ok;
}

ExitCode logs_command(CommandContext& context, const LogsOptions& options) {
    auto client = ControlClient::open(context.client, context.environment);
    if (!client) {
        return context.complain(client.error());
    }
    Terminal& terminal = context.terminal;
    std::string path = fmt::format("/inference/backend/logs?tail={}", options.tail);
    if (!options.slot.empty()) {
        path += "&slot=" + options.slot;
    }
    if (!options.follow) {
        const auto text = client->get_text(path);
        if (!text) {
            return context.complain(text.error());
        }
        if (context.client.json) {
            terminal.line(json_text(Json{{"log", *text}}));
        } else {
            terminal.raw(printable(*text));
        }
        return ExitCode::ok;
    }
    const auto done = client->stream(path + "&follow=1", [&terminal](std::string_view bytes) {
        terminal.raw(printable(bytes));
        return true;
    });
    return done ? ExitCode::ok : context.complain(done.error());
}

ExitCode events_command(CommandContext& context, std::optional<std::uint64_t> since) {
    auto client = ControlClient::open(context.client, context.environment);
    if (!client) {
        return context.complain(client.error());
    }
    std::string path = "/inference/events";
    if (since) {
        path += fmt::format("?last_event_id={}", *since);
    }
    net::SseParser parser;
    const auto done = client->stream(path, [&](std::string_view bytes) {
        if (!parser.feed(bytes)) {
            return false;
        }
        while (const auto event = parser.next()) {
            if (!event->has_data) {
                continue;
            }
            const auto data = parse_json(event->data, "The event");
            if (!data) {
                continue;
            }
            if (context.client.json) {
                Json shown{{"event", event->event}, {"data", *data}};
                context.terminal.line(json_text(shown));
            } else if (event->event != "hello") {
                context.terminal.line(event_line(*data, event->event));
            }
        }
        return true;
    });
    return done ? ExitCode::ok : context.complain(done.error());
}

}  // namespace nova::app

// What a test can turn on the fake engine: by argv at its start, by a JSON file while it runs.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace fake {

// Every member is a flag (--start-delay-ms 100) and a key of the state file ("start_delay_ms":
// 100).
struct Knobs {
    // Start: what happens before the first answer.
    long start_delay_ms = 0;
    double load_mb_per_s = 0;    // 0: loaded at once
    long load_bytes = 0;         // 0: size of the model file, read for real
    long stall_at_percent = -1;  // loading stops there while this is set
    bool never_listen = false;
    std::string refuse_flag;    // ends with the engine's wording when argv holds this flag
    long start_exit_code = -1;  // ends at once with this code, after log_text
    std::string log_text;       // written to the log before any planned end

    // Life and death. An exit code of 128+n means: killed by signal n.
    long exit_code = 1;
    bool crash_now = false;
    long crash_after_tokens = -1;
    long crash_after_requests = -1;
    bool ignore_sigterm = false;
    long stop_delay_ms = 0;
    long hold_mib = 0;   // memory it takes, and touches, at once
    std::string orphan;  // "group" or "session": leaves a child behind that sleeps ten minutes

    // Probes and the port.
    bool health_hang = false;
    long health_status = 0;
    long health_delay_ms = 0;
    bool hang = false;  // reads requests, answers none
    bool no_metrics = false;

    // Generation.
    long tokens = 16;
    double tokens_per_s = 0;  // 0: as fast as it can
    long chunk_bytes = 0;     // text of a token is padded to this
    bool flood = false;       // streams without end as fast as the socket takes
    bool ignore_disconnect = false;
    long dims = 8;  // of an embedding

    // Faults of an answer.
    long head_delay_ms = 0;
    std::string reset;        // before_head, after_head, mid_stream (RST); cut_mid_stream (FIN)
    long fault_at_token = 3;  // where mid_stream, cut_mid_stream and stream_error strike
    bool stream_error = false;
    bool no_done = false;
    long status = 0;  // answers generation requests with this status
    std::string retry_after;
    bool html = false;    // an HTML page instead of JSON, with `status` or 200
    std::string framing;  // "close": no chunked coding, the end of the stream is the close
    std::string models;   // comma separated; default: the alias, the model's path, or one name
};

// What real engines are told, as far as the fake answers by it.
struct Launch {
    std::string surface;  // llamacpp, vllm, sglang, ollama
    std::string host = "127.0.0.1";
    int port = 0;
    std::string model;
    std::string alias;
    long context = 8192;
    long parallel = 4;
    bool embeddings = false;
    std::string api_key;
    std::string state_file;
    bool bench = false;
    long bench_chunk_us = 0;
    std::vector<std::string> argv;
};

struct CommandLine {
    Launch launch;
    Knobs knobs;
    std::string action;  // empty: serve; else version, fit, orphan or usage
    std::string complaint;
};

CommandLine parse_command_line(int argc, char** argv);

// The knobs as they are now: argv overlaid by the state file, which is read again when it changed.
// A state file that is missing or half written counts as unchanged.
class KnobSource {
public:
    KnobSource(Knobs base, std::string path);
    std::shared_ptr<const Knobs> now();

private:
    std::mutex mutex_;
    const Knobs base_;
    const std::string path_;
    long long stamp_ = -1;
    std::shared_ptr<const Knobs> current_;
};

}  // namespace fake

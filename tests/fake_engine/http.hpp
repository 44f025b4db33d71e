// The fake engine's HTTP/1.1 over a blocking socket, written apart from nova's codec on purpose.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>

namespace fake {

struct Request {
    std::string method;
    std::string path;                            // without the query
    std::string query;                           // without the question mark
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
    std::string body_sha256;
    bool keep_alive = true;
};

class Connection {
public:
    explicit Connection(int fd) : fd_(fd) {}

    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    // False at the end of the connection or when what came is not a request.
    bool read_request(Request& request);

    // All false once the peer is gone.
    bool respond(int status, std::string_view type, std::string_view body);
    bool begin_stream(std::string_view type, bool chunked);
    bool stream(std::string_view data);
    bool end_stream();
    bool write(std::string_view data);

    void add_header(std::string_view name, std::string_view value);

    void close_after_answer() { keep_alive_ = false; }

    bool keep_alive() const { return keep_alive_; }

    void reset();  // RST
    void cut();    // FIN, at once

    // Waits that long, less when the peer leaves; false means it left.
    bool wait(std::chrono::nanoseconds time);
    bool peer_gone();

private:
    bool fill();
    bool read_body(Request& request);
    bool take(std::size_t size, std::string& into);
    bool take_line(std::string& line);
    std::string head(int status, std::string_view type) const;

    int fd_;
    std::string buffer_;
    std::string extra_headers_;
    bool keep_alive_ = true;
    bool chunked_ = false;
};

std::string sha256_hex(std::string_view data);
std::string_view reason_of(int status);

}  // namespace fake

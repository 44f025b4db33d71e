// OpenSSL between two memory buffers: it never sees a socket, so that deadlines, cancellation and
// peers are those of the connection below.
#include "net/tls_connection.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace nova::net {
namespace {

template <class T, void (*Free)(T*)>
struct Freer {
    void operator()(T* pointer) const { Free(pointer); }
};

using SslContext = std::unique_ptr<SSL_CTX, Freer<SSL_CTX, SSL_CTX_free>>;
using Ssl = std::unique_ptr<SSL, Freer<SSL, SSL_free>>;

// A TLS record is at most 16 KiB and a little.
constexpr std::size_t kRecordBytes = 17U * 1024U;

std::string openssl_reason() {
    const unsigned long number = ERR_get_error();
    ERR_clear_error();
    const char* reason = number == 0 ? nullptr : ERR_reason_error_string(number);
    return reason == nullptr ? "unknown reason" : reason;
}

class TlsConnection final : public Connection {
public:
    TlsConnection(std::unique_ptr<Connection> plain, Ssl ssl)
        : plain_{std::move(plain)}, ssl_{std::move(ssl)}, input_(kRecordBytes, '\0') {
        SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        // An empty buffer means "later", not the end.
        BIO_set_mem_eof_return(SSL_get_rbio(ssl_.get()), -1);
    }

    Task<Result<void>> handshake() {
        while (true) {
            ERR_clear_error();
            const int done = SSL_connect(ssl_.get());
            const int want = SSL_get_error(ssl_.get(), done);
            std::string reason = done == 1 || want == SSL_ERROR_WANT_READ ? "" : failure_reason();
            if (const auto sent = co_await send_records(); !sent) {
                co_return propagate(sent);
            }
            if (done == 1) {
                co_return Result<void>{};
            }
            if (want != SSL_ERROR_WANT_READ) {
                co_return fail(ErrorCode::unavailable, "The TLS handshake failed: " + reason + ".");
            }
            const auto received = co_await receive_records();
            if (!received) {
                co_return propagate(received);
            }
            if (*received == 0) {
                co_return fail(
                    ErrorCode::unavailable, "The peer closed the connection in the TLS handshake."
                );
            }
        }
    }

    Task<Result<std::size_t>> read_some(std::span<char> into) override {
        while (true) {
            std::size_t size = 0;
            ERR_clear_error();
            const int done = SSL_read_ex(ssl_.get(), into.data(), into.size(), &size);
            if (done == 1) {
                co_return size;
            }
            const int want = SSL_get_error(ssl_.get(), done);
            if (want == SSL_ERROR_ZERO_RETURN) {
                co_return std::size_t{0};
            }
            if (want != SSL_ERROR_WANT_READ) {
                co_return fail(
                    ErrorCode::unavailable, "The TLS connection broke: " + openssl_reason() + "."
                );
            }
            // Key updates answer inside SSL_read.
            if (const auto sent = co_await send_records(); !sent) {
                co_return propagate(sent);
            }
            const auto received = co_await receive_records();
            if (!received) {
                co_return propagate(received);
            }
            if (*received == 0) {
                // Without close_notify somebody may have cut the stream on purpose.
                co_return fail(
                    ErrorCode::unavailable, "The peer closed the connection without ending TLS."
                );
            }
        }
    }

    Task<Result<void>> write_all(std::span<const std::string_view> pieces) override {
        for (const std::string_view piece : pieces) {
            for (std::size_t at = 0; at < piece.size();) {
                std::size_t size = 0;
                ERR_clear_error();
                // Without partial writes OpenSSL takes all of it or nothing; slices keep the
                // records bounded between two sends.
                const std::string_view slice = piece.substr(at, 8 * kRecordBytes);
                if (SSL_write_ex(ssl_.get(), slice.data(), slice.size(), &size) != 1) {
                    co_return fail(
                        ErrorCode::unavailable,
                        "The TLS connection broke: " + openssl_reason() + "."
                    );
                }
                at += size;
                if (BIO_ctrl_pending(SSL_get_wbio(ssl_.get())) >= 8 * kRecordBytes) {
                    if (const auto sent = co_await send_records(); !sent) {
                        co_return propagate(sent);
                    }
                }
            }
        }
        co_return co_await send_records();
    }

    void expire_at(TimePoint time) override { plain_->expire_at(time); }

    void watch_peer(std::move_only_function<void()> gone) override {
        plain_->watch_peer(std::move(gone));
    }

    void unwatch_peer() override { plain_->unwatch_peer(); }

    void read_ahead() override { plain_->read_ahead(); }

    bool idle_and_clean() override { return nothing_left() && plain_->idle_and_clean(); }

    bool nothing_heard() override { return nothing_left() && plain_->nothing_heard(); }

    // By what the records say: behind the handshake of TLS 1.3 a server sends tickets, unasked.
    Task<bool> answered_early() override {
        while (true) {
            char byte = 0;
            std::size_t size = 0;
            ERR_clear_error();
            const int done = SSL_peek_ex(ssl_.get(), &byte, 1, &size);
            if (done == 1 || SSL_get_error(ssl_.get(), done) != SSL_ERROR_WANT_READ) {
                co_return true;
            }
            if (plain_->idle_and_clean()) {
                co_return false;  // a record that has begun is looked at when it is whole
            }
            const auto received = co_await receive_records();
            if (!received || *received == 0) {
                co_return true;
            }
        }
    }

    void shutdown_send() override { plain_->shutdown_send(); }

    void close() override { plain_->close(); }

    const Peer& peer() const override { return plain_->peer(); }

private:
    bool nothing_left() const {
        return SSL_pending(ssl_.get()) == 0 && SSL_get_shutdown(ssl_.get()) == 0;
    }

    std::string failure_reason() {
        const long verify = SSL_get_verify_result(ssl_.get());
        if (verify != X509_V_OK) {
            ERR_clear_error();
            return X509_verify_cert_error_string(verify);
        }
        return openssl_reason();
    }

    Task<Result<void>> send_records() {
        BIO* out = SSL_get_wbio(ssl_.get());
        char* data = nullptr;
        const long size = BIO_get_mem_data(out, &data);
        if (size <= 0) {
            co_return Result<void>{};
        }
        const std::string_view records[] = {{data, static_cast<std::size_t>(size)}};
        auto sent = co_await plain_->write_all(records);
        ignore(Result<int>{BIO_reset(out)}, "a memory buffer cannot fail to be emptied");
        co_return sent;
    }

    Task<Result<std::size_t>> receive_records() {
        auto size = co_await plain_->read_some(input_);
        if (size && *size > 0) {
            BIO_write(SSL_get_rbio(ssl_.get()), input_.data(), static_cast<int>(*size));
        }
        co_return size;
    }

    std::unique_ptr<Connection> plain_;
    Ssl ssl_;
    std::string input_;
};

bool is_ip_literal(const std::string& host) {
    std::array<unsigned char, 16> ignored{};
    return inet_pton(AF_INET, host.c_str(), ignored.data()) == 1 ||
           inet_pton(AF_INET6, host.c_str(), ignored.data()) == 1;
}

// The name in the certificate and, for names only, in the greeting (RFC 6066 3).
bool expect_host(SSL* ssl, const std::string& host) {
    if (is_ip_literal(host)) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str()) == 1;
    }
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host.c_str()) == 1 &&
           SSL_set_tlsext_host_name(ssl, host.c_str()) == 1;
}

}  // namespace

struct TlsClient::Impl {
    SslContext context;
};

TlsClient::TlsClient() : impl_{std::make_unique<Impl>()} {
    impl_->context.reset(SSL_CTX_new(TLS_client_method()));
    SSL_CTX* context = impl_->context.get();
    NOVA_CHECK(context != nullptr);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    // Reads SSL_CERT_FILE and SSL_CERT_DIR itself.
    SSL_CTX_set_default_verify_paths(context);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    SSL_CTX_set_alpn_protos(context, kHttp11, sizeof kHttp11);
}

TlsClient::~TlsClient() = default;

Task<Result<std::unique_ptr<Connection>>>
start_tls(std::unique_ptr<Connection> plain, std::string host, TlsClient& tls, Deadline deadline) {
    Ssl ssl{SSL_new(tls.impl().context.get())};
    if (host.size() > 2 && host.front() == '[') {
        host = host.substr(1, host.size() - 2);
    }
    if (!ssl || !expect_host(ssl.get(), host)) {
        co_return fail(ErrorCode::unavailable, host + " is not a host name TLS can verify.");
    }
    auto connection = std::make_unique<TlsConnection>(std::move(plain), std::move(ssl));
    connection->expire_at(deadline.at);
    const auto shaken = co_await connection->handshake();
    if (!shaken) {
        co_return propagate(shaken, host);
    }
    connection->expire_at(TimePoint::max());
    std::unique_ptr<Connection> result = std::move(connection);
    co_return result;
}

}  // namespace nova::net

// TLS against an OpenSSL server on the other end of a socket pair, with certificates made here.
#include <array>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket_connection.hpp"
#include "net/test_server.hpp"
#include "net/tls_connection.hpp"
#include "net/upstream.hpp"

namespace nova::net {
namespace {

using testing::run_on;

template <class T, auto Free>
using Owned = std::unique_ptr<T, decltype([](T* pointer) { Free(pointer); })>;

using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using Certificate = Owned<X509, X509_free>;
using Context = Owned<SSL_CTX, SSL_CTX_free>;
using Session = Owned<SSL, SSL_free>;

enum class Age { valid, expired };

struct Identity {
    Key key;
    Certificate certificate;
};

// Signed by itself, for these names.
Identity make_identity(const char* names, Age age) {
    Identity identity{Key{EVP_EC_gen("P-256")}, Certificate{X509_new()}};
    X509* x509 = identity.certificate.get();
    X509_set_version(x509, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), -86'400);
    X509_gmtime_adj(X509_getm_notAfter(x509), age == Age::valid ? 86'400 : -3'600);
    X509_set_pubkey(x509, identity.key.get());
    X509_NAME* subject = X509_get_subject_name(x509);
    const auto* name = reinterpret_cast<const unsigned char*>("nova test");
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, -1, -1, 0);
    X509_set_issuer_name(x509, subject);
    const Owned<X509_EXTENSION, X509_EXTENSION_free> alternative{
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names)
    };
    X509_add_ext(x509, alternative.get(), -1);
    X509_sign(x509, identity.key.get(), EVP_sha256());
    return identity;
}

// Points SSL_CERT_FILE at a file with this certificate for the life of the object.
class TrustedRoot {
public:
    explicit TrustedRoot(X509* certificate)
        : path_{
              std::filesystem::temp_directory_path() /
              ("nova-root-" + std::to_string(::getpid()) + ".pem")
          } {
        const Owned<BIO, BIO_free_all> file{BIO_new_file(path_.c_str(), "w")};
        PEM_write_bio_X509(file.get(), certificate);
        ::setenv("SSL_CERT_FILE", path_.c_str(), 1);
    }

    TrustedRoot(const TrustedRoot&) = delete;
    TrustedRoot& operator=(const TrustedRoot&) = delete;

    ~TrustedRoot() {
        ::unsetenv("SSL_CERT_FILE");
        std::error_code ignored;
        std::filesystem::remove(path_, ignored);
    }

private:
    std::filesystem::path path_;
};

struct Ends {
    std::unique_ptr<Connection> client;
    Descriptor server;
};

Ends socket_pair(asio::io_context& io) {
    std::array<int, 2> numbers{};
    ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, numbers.data());
    SocketAddress address;
    address.storage.ss_family = AF_UNIX;
    return {
        std::make_unique<SocketConnection>(
            io.get_executor(), Descriptor{numbers[0]}, address, SocketConnection::Origin::dialed
        ),
        Descriptor{numbers[1]}
    };
}

// The other end, which has still to shake hands.
Session server_on(const Descriptor& socket, const Identity& identity) {
    const Context context{SSL_CTX_new(TLS_server_method())};
    SSL_CTX_use_certificate(context.get(), identity.certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), identity.key.get());
    Session session{SSL_new(context.get())};
    SSL_set_fd(session.get(), socket.get());
    SSL_set_accept_state(session.get());
    return session;
}

enum class Goodbye { close_notify, cut };

// As much as comes next; 0: it is over.
Task<std::size_t> read_some(asio::io_context& io, const Session& ssl, std::string& into) {
    std::size_t size = 0;
    while (SSL_read_ex(ssl.get(), into.data(), into.size(), &size) != 1) {
        if (SSL_get_error(ssl.get(), 0) != SSL_ERROR_WANT_READ) {
            co_return 0;
        }
        co_await asio::post(io, asio::use_awaitable);
    }
    co_return size;
}

// Shakes hands, echoes until "bye\n", then ends as told.
Task<void>
echo_server(asio::io_context& io, Descriptor& socket, const Identity& identity, Goodbye goodbye) {
    const Session ssl = server_on(socket, identity);
    std::string buffer(20'000, '\0');
    std::string seen;
    while (!seen.ends_with("bye\n")) {
        const std::size_t size = co_await read_some(io, ssl, buffer);
        if (size == 0) {
            co_return;
        }
        seen.append(buffer, 0, size);
        for (std::size_t done = 0; done < size;) {
            std::size_t written = 0;
            if (SSL_write_ex(ssl.get(), buffer.data() + done, size - done, &written) != 1) {
                co_await asio::post(io, asio::use_awaitable);
            }
            done += written;
        }
    }
    if (goodbye == Goodbye::close_notify) {
        SSL_shutdown(ssl.get());
    }
    ::shutdown(socket.get(), SHUT_RDWR);
}

struct Outcome {
    std::optional<Error> handshake;
    std::string echoed;
    std::optional<Error> end;
};

Outcome
talk(const Identity& server, const std::string& host, Goodbye goodbye, const std::string& text) {
    Outcome outcome;
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        TlsClient tls;
        Ends ends = socket_pair(io);
        TaskGroup group{io.get_executor()};
        group.spawn("server", echo_server(io, ends.server, server, goodbye));
        const Deadline deadline = Deadline::in(clock, testing::kPatience);
        auto connection = co_await start_tls(std::move(ends.client), host, tls, deadline);
        if (!connection) {
            outcome.handshake = connection.error();
        } else {
            const std::string_view pieces[] = {text, "bye\n"};
            EXPECT_TRUE((co_await (*connection)->write_all(pieces)).has_value());
            std::string buffer(4000, '\0');
            while (!outcome.end) {
                const auto size = co_await (*connection)->read_some(buffer);
                if (size && *size == 0) {
                    break;
                }
                if (size) {
                    outcome.echoed.append(buffer, 0, *size);
                } else {
                    outcome.end = size.error();
                }
            }
            (*connection)->close();
        }
        group.cancel();
        co_await group.join();
    });
    return outcome;
}

TEST(Tls, CarriesBytesBothWays) {
    const Identity server = make_identity("DNS:engine.test,IP:127.0.0.1", Age::valid);
    const TrustedRoot root{server.certificate.get()};
    for (const std::string host : {"engine.test", "127.0.0.1"}) {
        const std::string text(100'000, 'x');
        const Outcome outcome = talk(server, host, Goodbye::close_notify, text);
        EXPECT_FALSE(outcome.handshake) << outcome.handshake->message;
        EXPECT_TRUE(outcome.echoed == text + "bye\n") << outcome.echoed.size();
        EXPECT_FALSE(outcome.end);
    }
}

TEST(Tls, RefusesAnotherHost) {
    const Identity server = make_identity("DNS:engine.test", Age::valid);
    const TrustedRoot root{server.certificate.get()};
    for (const std::string host : {"other.test", "127.0.0.1", "sub.engine.test"}) {
        const Outcome outcome = talk(server, host, Goodbye::close_notify, "");
        ASSERT_TRUE(outcome.handshake) << host;
        EXPECT_EQ(outcome.handshake->code, ErrorCode::unavailable);
        EXPECT_NE(outcome.handshake->message.find("mismatch"), std::string::npos)
            << outcome.handshake->message;
    }
}

TEST(Tls, RefusesAStrangersAndAnExpiredCertificate) {
    const Identity trusted = make_identity("DNS:engine.test", Age::valid);
    const Identity stranger = make_identity("DNS:engine.test", Age::valid);
    const Identity expired = make_identity("DNS:engine.test", Age::expired);
    {
        const TrustedRoot root{trusted.certificate.get()};
        EXPECT_TRUE(talk(stranger, "engine.test", Goodbye::close_notify, "").handshake);
    }
    const TrustedRoot root{expired.certificate.get()};
    const Outcome outcome = talk(expired, "engine.test", Goodbye::close_notify, "");
    ASSERT_TRUE(outcome.handshake);
    EXPECT_NE(outcome.handshake->message.find("expired"), std::string::npos)
        << outcome.handshake->message;
}

TEST(Tls, SeesAStreamThatWasCut) {
    const Identity server = make_identity("DNS:engine.test", Age::valid);
    const TrustedRoot root{server.certificate.get()};
    const Outcome outcome = talk(server, "engine.test", Goodbye::cut, "half");
    ASSERT_TRUE(outcome.end);
    EXPECT_EQ(outcome.end->code, ErrorCode::unavailable);
}

TEST(Tls, GivesUpOnAServerThatSaysNothing) {
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        TlsClient tls;
        Ends ends = socket_pair(io);
        const Deadline soon = Deadline::in(clock, std::chrono::milliseconds{20});
        const auto late = co_await start_tls(std::move(ends.client), "a.test", tls, soon);
        EXPECT_EQ(late ? ErrorCode::internal : late.error().code, ErrorCode::timeout);
    });
}

// Sends its session tickets behind the handshake, as servers of TLS 1.3 do; reads for as long as
// there is something, and answers when so many bytes have come.
Task<void> answering_server(
    asio::io_context& io, Descriptor& socket, const Identity& identity, std::size_t answer_behind,
    std::size_t& heard
) {
    constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const Session ssl = server_on(socket, identity);
    EXPECT_GT(SSL_get_num_tickets(ssl.get()), 0U);
    std::string buffer(20'000, '\0');
    bool answered = false;
    while (true) {
        const std::size_t size = co_await read_some(io, ssl, buffer);
        if (size == 0) {
            co_return;
        }
        heard += size;
        if (heard >= answer_behind && !std::exchange(answered, true)) {
            std::size_t written = 0;
            EXPECT_EQ(SSL_write_ex(ssl.get(), kAnswer.data(), kAnswer.size(), &written), 1);
        }
    }
}

struct Upload {
    int status = 0;
    bool reusable = false;
    std::size_t heard = 0;
};

constexpr std::string_view kUploadHead =
    "POST / HTTP/1.1\r\nHost: engine.test\r\nContent-Length: 4194304\r\n\r\n";
constexpr std::size_t kUploadBytes = 4U << 20U;
constexpr std::size_t kWholeUpload = kUploadHead.size() + kUploadBytes;

Upload upload(std::size_t answer_behind) {
    const Identity server = make_identity("DNS:engine.test", Age::valid);
    const TrustedRoot root{server.certificate.get()};
    Upload outcome;
    asio::io_context io{1};
    run_on(io, [&]() -> Task<void> {
        SystemClock clock;
        TlsClient tls;
        Ends ends = socket_pair(io);
        TaskGroup group{io.get_executor()};
        group.spawn(
            "server", answering_server(io, ends.server, server, answer_behind, outcome.heard)
        );
        const Deadline deadline = Deadline::in(clock, testing::kPatience / 2);
        auto connection = co_await start_tls(std::move(ends.client), "engine.test", tls, deadline);
        EXPECT_TRUE(connection.has_value());
        UpstreamConnection upstream{*std::move(connection), HeadLimits{}};
        const std::string body(kUploadBytes, 'x');
        EXPECT_TRUE((co_await upstream.send(kUploadHead, body, "POST")).has_value());
        upstream.connection().expire_at(deadline.at);
        const auto head = co_await upstream.read_head();
        if (head) {
            outcome.status = (*head)->status;
            EXPECT_EQ(co_await upstream.read_body_some(), "ok");
        }
        outcome.reusable = upstream.reusable();
        // The server ends first: OpenSSL would write to a client that is gone, without a care for
        // SIGPIPE.
        group.cancel();
        co_await group.join();
    });
    return outcome;
}

TEST(Tls, ALongBodyGoesOutWholeAlthoughTheServerSendsTickets) {
    const Upload outcome = upload(kWholeUpload);
    EXPECT_EQ(outcome.heard, kWholeUpload);
    EXPECT_EQ(outcome.status, 200);
    EXPECT_TRUE(outcome.reusable);
}

// Trap 21, behind the same tickets.
TEST(Tls, ALongBodyEndsWhenTheAnswerIsThere) {
    const Upload outcome = upload(1);
    EXPECT_LT(outcome.heard, kUploadBytes / 2);
    EXPECT_EQ(outcome.status, 200);
    EXPECT_FALSE(outcome.reusable);
}

}  // namespace
}  // namespace nova::net

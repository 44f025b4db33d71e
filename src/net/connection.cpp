// What every connection gets from its vectored write and its state; what cannot write without a
// wait writes nothing by write_now.
#include "net/connection.hpp"

namespace nova::net {

Task<Result<void>> Connection::write(std::string_view bytes) {
    const std::string_view pieces[] = {bytes};
    co_return co_await write_all(pieces);
}

Result<std::size_t> Connection::write_now(std::span<const std::string_view> pieces) {
    static_cast<void>(pieces);
    return std::size_t{0};
}

Task<Result<void>>
Connection::write_rest(std::span<const std::string_view> pieces, std::size_t written) {
    NOVA_CHECK(written == 0);
    return write_all(pieces);
}

Task<bool> Connection::answered_early() {
    co_return !idle_and_clean();
}

}  // namespace nova::net

// What every connection gets from its vectored write.
#include "net/connection.hpp"

namespace nova::net {

Task<Result<void>> Connection::write(std::string_view bytes) {
    const std::string_view pieces[] = {bytes};
    co_return co_await write_all(pieces);
}

}  // namespace nova::net

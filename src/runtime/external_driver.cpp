// Nothing is started or stopped here; the address is all there is.
#include "runtime/external_driver.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace nova::runtime {

Task<Result<Fingerprint>> ExternalDriver::fingerprint() {
    co_return Fingerprint{.usable = true, .detail = "servers that somebody else runs"};
}

Task<Result<void>> ExternalDriver::prepare(InstanceSpec /*spec*/, ProgressSink /*progress*/) {
    co_return Result<void>{};
}

Task<Result<InstanceHandle>> ExternalDriver::start(InstanceSpec spec) {
    const bool socket = spec.listen.host.starts_with("unix:");
    if (spec.listen.host.empty() || (spec.listen.port == 0 && !socket)) {
        co_return fail(
            ErrorCode::invalid_argument, "A server that runs elsewhere needs a host and a port."
        );
    }
    InstanceHandle handle;
    handle.runtime = RuntimeKind::external;
    handle.identity = spec.identity;
    handle.name = spec.name;
    handle.endpoint = spec.listen;
    co_return handle;
}

Task<Result<InstanceStatus>> ExternalDriver::inspect(InstanceHandle /*handle*/) {
    co_return InstanceStatus{.state = InstanceStatus::State::running, .exit = std::nullopt};
}

Task<Result<ExitStatus>> ExternalDriver::wait(InstanceHandle /*handle*/) {
    asio::steady_timer never{co_await asio::this_coro::executor, TimePoint::max()};
    for (;;) {
        co_await never.async_wait(asio::use_awaitable);
    }
}

Task<Result<void>> ExternalDriver::stop(InstanceHandle /*handle*/, Force /*force*/) {
    co_return Result<void>{};
}

Task<Result<std::vector<OwnedInstance>>>
ExternalDriver::list_owned(InstallId /*install*/, SlotName /*slot*/) {
    co_return std::vector<OwnedInstance>{};
}

Task<Result<std::string>> ExternalDriver::log_tail(InstanceHandle /*handle*/, Bytes /*at_most*/) {
    co_return std::string{};
}

Task<Result<ExecOutput>> ExternalDriver::exec(
    InstanceHandle handle, std::vector<std::string> /*argv*/, Deadline /*deadline*/
) {
    co_return fail(
        ErrorCode::unsupported,
        "Commands cannot be run beside " + handle.name + ": somebody else runs that server."
    );
}

}  // namespace nova::runtime

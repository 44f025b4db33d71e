// Any bytes as a catalog and as a log: never a crash, and what is found really stands there.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "lifecycle/failure_catalog.hpp"

using nova::lifecycle::FailureCatalog;

namespace {

void search(const FailureCatalog& catalog, std::string_view log, std::uint8_t how) {
    const nova::lifecycle::FailureEvidence evidence{
        .log = log,
        .engine = (how & 1U) != 0 ? "llamacpp" : "",
        .exit_code = (how & 2U) != 0 ? std::optional{1} : std::nullopt,
        .exit_signal = (how & 4U) != 0 ? std::optional{11} : std::nullopt,
        .out_of_memory = (how & 8U) != 0
    };
    const auto found = catalog.find(evidence);
    if (!found) {
        return;
    }
    NOVA_CHECK(found->offset <= log.size());
    NOVA_CHECK(log.contains(found->value));
    const std::string excerpt = nova::lifecycle::excerpt_around(log, found->offset);
    NOVA_CHECK(log.contains(excerpt));
    NOVA_CHECK(
        std::ranges::count(excerpt, '\n') <
        static_cast<std::ptrdiff_t>(nova::lifecycle::kExcerptLines)
    );
    nova::lifecycle::FailureEvidence any = evidence;
    any.engine = {};
    NOVA_CHECK(nova::lifecycle::match_failure(*found->failure, any).has_value());
}

}  // namespace

// The first byte says how the engine ended. Up to a zero byte the rest is a catalog of its own.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::string_view rest{reinterpret_cast<const char*>(data) + 1, size - 1};
    const std::size_t zero = rest.find('\0');
    if (zero != std::string_view::npos) {
        if (const auto catalog = FailureCatalog::parse(rest.substr(0, zero), "fuzz")) {
            search(*catalog, rest.substr(zero + 1), data[0]);
        }
        return 0;
    }
    search(FailureCatalog::builtin(), rest, data[0]);
    return 0;
}

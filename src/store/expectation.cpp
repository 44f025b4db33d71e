// The sentences of a conflict.
#include "store/expectation.hpp"

#include <fmt/format.h>

namespace nova::store {

Result<void>
check_expectation(const Key& key, const Expect& expect, std::optional<Revision> current) {
    switch (expect.kind) {
    case Expect::Kind::any:
        return {};
    case Expect::Kind::absent:
        if (current) {
            return fail(ErrorCode::conflict, fmt::format("{} exists already.", key.value));
        }
        return {};
    case Expect::Kind::revision:
        if (current == expect.revision) {
            return {};
        }
        return fail(
            ErrorCode::conflict,
            current ? fmt::format(
                          "{} was changed in the meantime: it is at revision {}, not {}.",
                          key.value, current->value, expect.revision.value
                      )
                    : fmt::format("{} was deleted in the meantime.", key.value)
        );
    }
    return {};
}

}  // namespace nova::store

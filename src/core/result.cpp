// The end of a broken invariant: say where, then abort, so that a core or a restart tells the
// truth.
#include "core/result.hpp"

#include <cstdio>
#include <cstdlib>

namespace nova {

void check_failed(const char* condition, const char* file, int line) {
    std::fprintf(stderr, "nova: broken invariant: %s (%s:%d)\n", condition, file, line);
    std::abort();
}

}  // namespace nova

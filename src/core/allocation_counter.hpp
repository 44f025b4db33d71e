// Counts what a program allocates, by standing in for the malloc family. For benchmarks: exactly
// one source of a program includes it, and sanitizers, which have a malloc of their own, are off.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdlib>

// glibc's own names for the functions that are counted here.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* pointer, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
}

namespace {

bool counting = false;
long allocations = 0;
bool stop_at_allocation = false;  // for a debugger: ends where the first one is made

void count_one() {
    if (counting) {
        ++allocations;
        if (stop_at_allocation) {
            std::abort();
        }
    }
}

}  // namespace

extern "C" {

void* malloc(std::size_t size) {
    count_one();
    return __libc_malloc(size);
}

void* calloc(std::size_t count, std::size_t size) {
    count_one();
    return __libc_calloc(count, size);
}

void* realloc(void* pointer, std::size_t size) {
    count_one();
    return __libc_realloc(pointer, size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
    count_one();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void** pointer, std::size_t alignment, std::size_t size) {
    count_one();
    *pointer = __libc_memalign(alignment, size);
    return *pointer == nullptr ? ENOMEM : 0;
}

}  // extern "C"

# Everything that is not ours, as SYSTEM targets: our warnings do not apply to it.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(simdjson REQUIRED)
find_package(CLI11 REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(ZLIB REQUIRED)
find_package(tomlplusplus REQUIRED) # used header-only, without its target

# Asio alone, header only; awaitables need no coroutine-ts switch with C++20 on.
add_library(nova_asio INTERFACE)
target_link_libraries(nova_asio INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(
    nova_asio
    INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ERROR_CODE_HEADER_ONLY
              # Frames kept per thread; the relay nests deeper than the usual two.
              BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=16
)

if(NOVA_TESTS)
    find_package(GTest REQUIRED)
    include(GoogleTest)
endif()

# One interface target carries what every source of ours is compiled with.
add_library(nova_warnings INTERFACE)
target_compile_options(
    nova_warnings
    INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wnon-virtual-dtor
              -Wimplicit-fallthrough -Werror
)
if(NOVA_SANITIZE)
    set(nova_sanitize_flags -fsanitize=${NOVA_SANITIZE} -fno-sanitize-recover=all)
    if(NOVA_SANITIZE MATCHES "undefined")
        # Asio compares function pointers across types in its executor; vptr needs RTTI of all
        # third-party code. Everything else of UBSan stays on.
        list(APPEND nova_sanitize_flags -fno-sanitize=vptr,function)
    endif()
    target_compile_options(nova_warnings INTERFACE ${nova_sanitize_flags})
    target_link_options(nova_warnings INTERFACE ${nova_sanitize_flags})
endif()
if(NOVA_FUZZ)
    # Without it libFuzzer sees the branches of the target's own file only, not the module's.
    target_compile_options(nova_warnings INTERFACE -fsanitize=fuzzer-no-link)
endif()

# The headers of others that most files read (Asio, JSON, fmt, GoogleTest), parsed once: a third to
# half of the compiler's time. The fuzz build does without, so that a file that does not include
# what it uses shows there.
#
# They lie outside the checkout, under a name made of all that went into them: ccache counts the
# path and the bytes, and every checkout of a user shares both.
if(CMAKE_CXX_COMPILER_LAUNCHER STREQUAL "ccache")
    # Whatever the checkout's folder. DEPEND: the compiler itself says what it read, so the
    # preprocessor does not run a second time for a file that is not there. SLOPPINESS: without
    # these words ccache passes on what uses a precompiled header; nothing here reads the clock of
    # the compiler.
    set(CMAKE_CXX_COMPILER_LAUNCHER
        env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1
        CCACHE_SLOPPINESS=pch_defines,time_macros ccache
    )
endif()

# nova_precompile(NAME FLAGS...): the target nova_precompiled_NAME makes it from precompiled.hpp;
# nova_precompiled_NAME_file is what -include-pch takes.
function(nova_precompile name)
    if(DEFINED ENV{XDG_CACHE_HOME})
        set(cache $ENV{XDG_CACHE_HOME}/nova)
    elseif(IS_DIRECTORY "$ENV{HOME}") # packagers have a HOME that is not there
        set(cache $ENV{HOME}/.cache/nova)
    else()
        set(cache ${CMAKE_BINARY_DIR})
    endif()
    set(header ${CMAKE_SOURCE_DIR}/cmake/precompiled.hpp)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
    file(READ ${header} text)
    separate_arguments(flags UNIX_COMMAND "${CMAKE_CXX_FLAGS}")
    list(APPEND flags ${nova_sanitize_flags} ${CMAKE_CXX23_STANDARD_COMPILE_OPTION} ${ARGN})
    string(SHA256 mark "${text} ${flags} ${CMAKE_CXX_COMPILER} ${CMAKE_CXX_COMPILER_VERSION}")
    string(SUBSTRING ${mark} 0 16 mark)
    set(folder ${cache}/precompiled-${mark})
    file(MAKE_DIRECTORY ${folder})
    file(COPY_FILE ${header} ${folder}/precompiled.hpp ONLY_IF_DIFFERENT)

    set(file ${folder}/${name}.pch)
    # Two checkouts may be at it at once; the last one puts the same bytes there.
    string(SHA256 own ${CMAKE_BINARY_DIR})
    string(SUBSTRING ${own} 0 8 own)
    # What each module has, since each uses core.
    set(definitions $<FILTER:$<TARGET_PROPERTY:nova_core,COMPILE_DEFINITIONS>,EXCLUDE,^NOVA_>)
    add_custom_command(
        OUTPUT ${file}
        COMMAND ${CMAKE_CXX_COMPILER} "-D$<JOIN:${definitions},;-D>" ${flags} -x c++-header -Xclang
                -fno-pch-timestamp -fpch-instantiate-templates -MD -MT ${file} -MF
                ${CMAKE_BINARY_DIR}/${name}.d -o ${file}.${own} ${folder}/precompiled.hpp
        COMMAND ${CMAKE_COMMAND} -E rename ${file}.${own} ${file}
        DEPENDS ${folder}/precompiled.hpp
        DEPFILE ${CMAKE_BINARY_DIR}/${name}.d
        COMMAND_EXPAND_LISTS VERBATIM
        COMMENT "Precompiling the headers of others (${name})"
    )
    add_custom_target(nova_precompiled_${name} DEPENDS ${file})
    set(nova_precompiled_${name}_file ${file} PARENT_SCOPE)
endfunction()

if(NOVA_FUZZ OR CMAKE_CXX_CLANG_TIDY)
    # Without.
elseif(NOVA_SANITIZE AND NOVA_TESTS)
    foreach(level O0 O1)
        nova_precompile(headers_${level} -${level})
        nova_precompile(headers_of_tests_${level} -${level} -DGTEST_HAS_PTHREAD=1)
    endforeach()
else()
    nova_precompile(headers)
endif()

# nova_use_precompiled(TARGET NAME SOURCES...): the target, which uses core, is compiled with the
# level that NAME ends in.
function(nova_use_precompiled target name)
    if(DEFINED nova_precompiled_${name}_file)
        set_property(
            SOURCE ${ARGN} APPEND
            PROPERTY COMPILE_OPTIONS -include-pch ${nova_precompiled_${name}_file}
        )
        add_dependencies(${target} nova_precompiled_${name})
    endif()
endfunction()

# nova_module(NAME net DEPS core LIBS OpenSSL::SSL)
#
# A module is a folder: its sources become the static library nova_<name>, its *_test.cpp one test
# program <name>_tests, each *_fuzz.cpp a libFuzzer program. DEPS repeats src/layers.toml for the
# linker: what a module may not include it cannot link either. Under ASan only an OPTIMIZED module
# is optimized: the others' tests mostly wait, and the optimizer takes a third of the compiler's
# time. Under TSan each is: there is a limit on CPU time among the tests.
function(nova_module)
    cmake_parse_arguments(M "OPTIMIZED" "NAME" "DEPS;LIBS" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
    set(tests ${sources})
    list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
    set(fuzzers ${sources})
    list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cpp$")
    list(FILTER sources EXCLUDE REGEX "_(test|fuzz|benchmark)\\.cpp$")

    set(dependencies)
    foreach(dependency ${M_DEPS})
        list(APPEND dependencies nova_${dependency})
    endforeach()
    add_library(nova_${M_NAME} STATIC ${sources})
    target_include_directories(nova_${M_NAME} PUBLIC ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(nova_${M_NAME} PUBLIC ${dependencies} nova_asio fmt::fmt ${M_LIBS}
                          PRIVATE nova_warnings)
    if(NOVA_SANITIZE OR NOVA_FUZZ)
        target_link_libraries(nova_${M_NAME} PUBLIC nova_warnings)
    endif()

    set(level)
    if(NOVA_TESTS AND NOVA_SANITIZE)
        set(level _O0)
        if(M_OPTIMIZED OR NOVA_SANITIZE STREQUAL "thread")
            set(level _O1)
        endif()
        string(REPLACE _ - option ${level})
        target_compile_options(nova_${M_NAME} PRIVATE ${option})
    endif()
    nova_use_precompiled(nova_${M_NAME} headers${level} ${sources})

    if(NOVA_TESTS AND tests)
        add_executable(${M_NAME}_tests ${tests})
        target_link_libraries(${M_NAME}_tests PRIVATE nova_${M_NAME} nova_warnings GTest::gtest
                              GTest::gtest_main)
        target_compile_options(${M_NAME}_tests PRIVATE ${option})
        nova_use_precompiled(${M_NAME}_tests headers_of_tests${level} ${tests})
        gtest_discover_tests(${M_NAME}_tests DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 120)
    endif()
    if(fuzzers)
        foreach(fuzzer ${fuzzers})
            get_filename_component(target ${fuzzer} NAME_WE)
            if(NOVA_FUZZ)
                add_executable(${target} ${fuzzer})
                target_link_libraries(${target} PRIVATE nova_${M_NAME} nova_warnings)
                target_compile_options(${target} PRIVATE -fsanitize=fuzzer)
                target_link_options(${target} PRIVATE -fsanitize=fuzzer)
            elseif(NOVA_TESTS)
                # Without libFuzzer the same function replays the corpus as an ordinary test.
                add_executable(${target}_replay ${fuzzer} ${CMAKE_SOURCE_DIR}/fuzz/replay_main.cpp)
                target_link_libraries(${target}_replay PRIVATE nova_${M_NAME} nova_warnings)
                string(REGEX REPLACE "_fuzz$" "" corpus ${target})
                add_test(NAME ${target}.ReplaysItsCorpus
                         COMMAND ${target}_replay ${CMAKE_SOURCE_DIR}/fuzz/corpus/${corpus})
            endif()
        endforeach()
    endif()
endfunction()

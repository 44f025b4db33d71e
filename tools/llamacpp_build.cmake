# Read by llama.cpp's own build, at its end.

# Programs that nova never starts are not compiled.
function(leave_out_unused_tools)
    foreach(
        tool
        llama-batched-bench
        llama-cli
        llama-completion
        llama-cvector-generator
        llama-export-lora
        llama-gguf-split
        llama-imatrix
        llama-mtmd-cli
        llama-mtmd-debug
        llama-perplexity
        llama-quantize
        llama-results
        llama-tokenize
        llama-tts
    )
        foreach(target ${tool} ${tool}-impl)
            if(TARGET ${target})
                set_target_properties(${target} PROPERTIES EXCLUDE_FROM_ALL ON)
            endif()
        endforeach()
    endforeach()
endfunction()

# g++ before 14 (its bug 114098) hands the processor half of a tile's configuration: on a machine
# with AMX llama.cpp dies of an illegal instruction in its first computation.
function(leave_out_broken_amx)
    if(TARGET ggml-cpu AND CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64"
       AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
        # Behind -march=native, which would switch it on again.
        target_compile_options(ggml-cpu PRIVATE -mno-amx-tile -mno-amx-int8 -mno-amx-bf16)
    endif()
endfunction()

if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR)
    cmake_language(DEFER DIRECTORY ${CMAKE_SOURCE_DIR} CALL leave_out_unused_tools)
    cmake_language(DEFER DIRECTORY ${CMAKE_SOURCE_DIR} CALL leave_out_broken_amx)
endif()

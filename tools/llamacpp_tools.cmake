# Read by llama.cpp's own build: its programs that nova never starts are not compiled.
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

if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR)
    cmake_language(DEFER DIRECTORY ${CMAKE_SOURCE_DIR} CALL leave_out_unused_tools)
endif()

# nova_embed(TARGET nova_engine NAME engine_data FILES a.json b.json)
#
# Puts files into the program: generates <build>/generated/<name>.hpp with
#   namespace nova::embedded { extern const std::span<const File> <name>; }
# where File is {name, text}.
set(NOVA_GENERATED_DIR ${CMAKE_BINARY_DIR}/generated)
function(nova_embed)
    cmake_parse_arguments(E "" "TARGET;NAME" "FILES" ${ARGN})
    set(source ${NOVA_GENERATED_DIR}/embedded/${E_NAME}.cpp)
    set(header ${NOVA_GENERATED_DIR}/embedded/${E_NAME}.hpp)
    add_custom_command(
        OUTPUT ${source} ${header}
        COMMAND python3 ${CMAKE_SOURCE_DIR}/tools/embed.py --name ${E_NAME} --source ${source}
                --header ${header} ${E_FILES}
        DEPENDS ${E_FILES} ${CMAKE_SOURCE_DIR}/tools/embed.py
        VERBATIM
    )
    target_sources(${E_TARGET} PRIVATE ${source} ${header})
    target_include_directories(${E_TARGET} PUBLIC ${NOVA_GENERATED_DIR})
endfunction()

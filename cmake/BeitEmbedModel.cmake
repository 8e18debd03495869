# beit_embed_model(TARGET FILE [NAME name] [NAMESPACE namespace]) puts a file, such as a model, into a program or library:
# TARGET can include <name>.hpp, whose embedded::name() returns the bytes as a std::span<const std::byte>.
#   NAME       the function's name [the file's, "my-model.safetensors" as my_model]
#   NAMESPACE  its namespace [embedded]
# The bytes begin at a multiple of 64 and live as long as the program. beit::load copies what it needs of them.
include_guard(GLOBAL)
set(beit_embed_script "${CMAKE_CURRENT_LIST_DIR}/embed_model.cmake")

function(beit_embed_model target file)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "NAME;NAMESPACE" "")
  cmake_path(ABSOLUTE_PATH file NORMALIZE)
  if(NOT arg_NAME)
    cmake_path(GET file STEM LAST_ONLY arg_NAME)
    string(MAKE_C_IDENTIFIER "${arg_NAME}" arg_NAME)
  endif()
  if(NOT arg_NAMESPACE)
    set(arg_NAMESPACE embedded)
  endif()
  if(NOT arg_NAME MATCHES "^[A-Za-z_][A-Za-z0-9_]*$" OR NOT arg_NAMESPACE MATCHES "^[A-Za-z_][A-Za-z0-9_]*$")
    message(FATAL_ERROR "beit_embed_model: found NAME '${arg_NAME}', NAMESPACE '${arg_NAMESPACE}', wanted names of C++")
  endif()
  if(NOT EXISTS "${file}")
    message(FATAL_ERROR "beit_embed_model: ${file}: found no such file")
  endif()

  set(folder "${CMAKE_CURRENT_BINARY_DIR}/beit_embedded/${arg_NAME}")
  set(source "${folder}/${arg_NAME}.cpp")
  file(CONFIGURE OUTPUT "${folder}/${arg_NAME}.hpp" @ONLY CONTENT "#pragma once

#include <cstddef>
#include <span>

namespace @arg_NAMESPACE@ {

/// The bytes of the file that beit_embed_model was called with.
std::span<const std::byte> @arg_NAME@();

}  // namespace @arg_NAMESPACE@
")
  if(MSVC OR EMSCRIPTEN)
    # Their assemblers include no files: the bytes are an array, which takes the longer to compile the larger it is.
    add_custom_command(
      OUTPUT "${source}"
      COMMAND "${CMAKE_COMMAND}" -D "FILE=${file}" -D "OUTPUT=${source}" -D "NAME=${arg_NAME}" -D
              "NAMESPACE=${arg_NAMESPACE}" -P "${beit_embed_script}"
      DEPENDS "${file}" "${beit_embed_script}"
      COMMENT "Embedding ${file}"
      VERBATIM)
  else()
    string(REGEX REPLACE "([\\\\\"])" "\\\\\\1" path "${file}")  # for the assembler, in quotes
    file(CONFIGURE OUTPUT "${source}" @ONLY CONTENT [=[
#include "@arg_NAME@.hpp"

#include <cstdint>

#define BEIT_TEXT_OF(x) #x
#define BEIT_TEXT(x) BEIT_TEXT_OF(x)
#define BEIT_SYMBOL(end) BEIT_TEXT(__USER_LABEL_PREFIX__) "beit_embedded_@arg_NAMESPACE@_@arg_NAME@" end

#if defined(__APPLE__)
#define BEIT_SECTION ".const_data\n.private_extern " BEIT_SYMBOL("") "\n.private_extern " BEIT_SYMBOL("_size") "\n"
#elif defined(_WIN32)
#define BEIT_SECTION ".section .rdata,\"dr\"\n"
#else
#define BEIT_SECTION ".section .rodata\n.hidden " BEIT_SYMBOL("") "\n.hidden " BEIT_SYMBOL("_size") "\n"
#endif

asm(BEIT_SECTION
    ".globl " BEIT_SYMBOL("") "\n.globl " BEIT_SYMBOL("_size") "\n"
    ".balign 64\n"
    BEIT_SYMBOL("") ":\n"
    ".incbin " R"("@path@")" "\n"
    "1:\n"
    ".balign 8\n"
    BEIT_SYMBOL("_size") ":\n"
    ".quad 1b - " BEIT_SYMBOL("") "\n"
    ".text\n");

extern "C" {
extern const std::byte beit_embedded_@arg_NAMESPACE@_@arg_NAME@[];
extern const std::uint64_t beit_embedded_@arg_NAMESPACE@_@arg_NAME@_size;
}

std::span<const std::byte> @arg_NAMESPACE@::@arg_NAME@() {
  return {beit_embedded_@arg_NAMESPACE@_@arg_NAME@,
          static_cast<std::size_t>(beit_embedded_@arg_NAMESPACE@_@arg_NAME@_size)};
}
]=])
    set_source_files_properties("${source}" PROPERTIES OBJECT_DEPENDS "${file}")
  endif()
  set_source_files_properties("${source}" PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON SKIP_PRECOMPILE_HEADERS ON)
  target_sources(${target} PRIVATE "${source}")
  target_include_directories(${target} PUBLIC "$<BUILD_INTERFACE:${folder}>")
endfunction()

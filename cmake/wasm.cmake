# WebAssembly by emscripten (Debian's, or the emcc that is on the path), with node to run its programs.
find_program(beit_emcc emcc REQUIRED NO_CACHE)
file(REAL_PATH "${beit_emcc}" beit_emcc)
cmake_path(GET beit_emcc PARENT_PATH beit_emscripten)
if(NOT EXISTS "${beit_emscripten}/cmake/Modules/Platform/Emscripten.cmake")
  set(beit_emscripten /usr/share/emscripten)
endif()
include("${beit_emscripten}/cmake/Modules/Platform/Emscripten.cmake")
# Programs may use as much memory as there is.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-sALLOW_MEMORY_GROWTH=1 -sMAXIMUM_MEMORY=4GB")

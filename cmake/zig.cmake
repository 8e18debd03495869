# Programs for another system or processor by zig, which has a clang and the C libraries of many in one file: configure
# with -DBEIT_ZIG=FILE, the program zig, and -DBEIT_ZIG_TARGET=PROCESSOR-SYSTEM-LIBRARY: x86_64-linux-musl,
# arm-linux-musleabihf, aarch64-windows-gnu, aarch64-macos.11.0-none, with the least version of macOS that programs ask
# for. PyPI has zig in the package ziglang.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES BEIT_ZIG BEIT_ZIG_TARGET)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)  # for a program zig would build its libraries once more, unoptimised
string(REPLACE "-" ";" beit_zig_target "${BEIT_ZIG_TARGET}")
list(GET beit_zig_target 0 CMAKE_SYSTEM_PROCESSOR)
list(GET beit_zig_target 1 beit_zig_system)
string(REGEX REPLACE "\\..*" "" beit_zig_system "${beit_zig_system}")  # without the version
set(beit_zig_linux Linux)
set(beit_zig_macos Darwin)
set(beit_zig_windows Windows)
set(CMAKE_SYSTEM_NAME ${beit_zig_${beit_zig_system}})

set(CMAKE_C_COMPILER "${BEIT_ZIG}" cc)
set(CMAKE_CXX_COMPILER "${BEIT_ZIG}" c++)
set(CMAKE_C_COMPILER_TARGET ${BEIT_ZIG_TARGET})
set(CMAKE_CXX_COMPILER_TARGET ${BEIT_ZIG_TARGET})
set(CMAKE_CXX_ARCHIVE_CREATE "\"${BEIT_ZIG}\" ar qcs <TARGET> <LINK_FLAGS> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_APPEND "\"${BEIT_ZIG}\" ar qs <TARGET> <LINK_FLAGS> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_FINISH "")
set(CMAKE_RC_COMPILER "${BEIT_ZIG}")
set(CMAKE_RC_COMPILE_OBJECT "<CMAKE_RC_COMPILER> rc /:output-format coff /:target ${CMAKE_SYSTEM_PROCESSOR} <SOURCE> <OBJECT>")
set(CMAKE_INSTALL_NAME_TOOL "${CMAKE_COMMAND}" -E false)  # zig has none, and nothing that is installed here needs it
set(CMAKE_CXX_FLAGS_INIT -g0)  # zig makes debugging information unless told not to
set(CMAKE_EXE_LINKER_FLAGS_INIT -s)
if(beit_zig_system STREQUAL linux)
  string(APPEND CMAKE_EXE_LINKER_FLAGS_INIT " -static")
endif()
set(CMAKE_FIND_ROOT_PATH "${CMAKE_BINARY_DIR}/root")  # where nothing of this machine is found
foreach(kind IN ITEMS LIBRARY INCLUDE PACKAGE)
  set(CMAKE_FIND_ROOT_PATH_MODE_${kind} ONLY)
endforeach()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)

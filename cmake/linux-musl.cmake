# Static programs for Linux on any processor, by the clang and the musl in zig: configure with -DBEIT_ZIG=FILE, the
# program zig, and -DBEIT_MUSL_PROCESSOR=x86_64 or aarch64. PyPI has zig in the package ziglang.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES BEIT_ZIG BEIT_MUSL_PROCESSOR)
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${BEIT_MUSL_PROCESSOR})
set(CMAKE_CXX_COMPILER "${BEIT_ZIG}" c++ -target ${BEIT_MUSL_PROCESSOR}-linux-musl)
set(CMAKE_CXX_ARCHIVE_CREATE "\"${BEIT_ZIG}\" ar qcs <TARGET> <LINK_FLAGS> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_APPEND "\"${BEIT_ZIG}\" ar qs <TARGET> <LINK_FLAGS> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_FINISH "")
set(CMAKE_CXX_FLAGS_INIT -g0)  # zig makes debugging information unless told not to
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static -s")
set(CMAKE_FIND_ROOT_PATH "${CMAKE_BINARY_DIR}/root")  # where nothing of this machine is found
foreach(kind IN ITEMS LIBRARY INCLUDE PACKAGE)
  set(CMAKE_FIND_ROOT_PATH_MODE_${kind} ONLY)
endforeach()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)

# Debian's header-only packages, for compilers of other systems (CMAKE_PROJECT_INCLUDE of their presets). They are
# linked into a folder of their own, because they lie beside the C library's headers, which another system's compiler
# must not see. BEIT_NEWER_HEADERS, if it is set, is a folder where each is looked for first.
set(beit_headers "${CMAKE_BINARY_DIR}/debian-headers")
file(MAKE_DIRECTORY "${beit_headers}")
foreach(name IN ITEMS eigen3/Eigen eigen3/unsupported nlohmann stb CLI LBFGS.h LBFGSB.h LBFGSpp xxhash.h)
  cmake_path(GET name FILENAME link)
  foreach(folder IN ITEMS ${BEIT_NEWER_HEADERS} /usr/include)
    if(EXISTS "${folder}/${name}" AND NOT EXISTS "${beit_headers}/${link}")
      file(CREATE_LINK "${folder}/${name}" "${beit_headers}/${link}" SYMBOLIC)
    endif()
  endforeach()
endforeach()

# beit_headers_target(TARGET NAME) defines a target for one of them; if it is missing, it is downloaded as elsewhere.
macro(beit_headers_target target name)
  if(NOT TARGET ${target} AND EXISTS "${beit_headers}/${name}")
    add_library(${target} INTERFACE IMPORTED GLOBAL)
    target_include_directories(${target} INTERFACE "${beit_headers}")
  endif()
endmacro()
beit_headers_target(Eigen3::Eigen Eigen)
beit_headers_target(nlohmann_json::nlohmann_json nlohmann)
beit_headers_target(CLI11::CLI11 CLI)
beit_headers_target(lbfgspp::lbfgspp LBFGS.h)
find_path(stb_INCLUDE_DIR stb_image.h PATHS "${beit_headers}/stb" NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)
find_path(XXHASH_INCLUDE_DIR xxhash.h PATHS "${beit_headers}" NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH)

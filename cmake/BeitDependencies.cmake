# Finds the libraries whose headers ours include: the user's targets, else the system's packages, else a download.

# Finds a package and makes its targets visible to the folders above.
macro(beit_find package target)
  if(NOT TARGET ${target})
    find_package(${package} ${ARGN})
    if(TARGET ${target})
      get_target_property(beit_imported ${target} IMPORTED)
      if(beit_imported)
        set_target_properties(${target} PROPERTIES IMPORTED_GLOBAL TRUE)
      endif()
    endif()
  endif()
endmacro()

# Downloads a dependency and uses only the headers in `folder` of it: its own project would add its targets, tests and
# options to the user's.
macro(beit_fetch name target folder)
  if(NOT TARGET ${target})
    include(FetchContent)
    FetchContent_Declare(${name} ${ARGN} SOURCE_SUBDIR headers-only)
    FetchContent_MakeAvailable(${name})
    add_library(${target} INTERFACE IMPORTED GLOBAL)
    target_include_directories(${target} INTERFACE "${${name}_SOURCE_DIR}${folder}")
  endif()
endmacro()

beit_find(Threads Threads::Threads REQUIRED)

beit_find(Eigen3 Eigen3::Eigen 3.4 QUIET NO_MODULE)
beit_find(Eigen3 Eigen3::Eigen 5 QUIET NO_MODULE)
beit_fetch(
  eigen Eigen3::Eigen ""
  URL https://gitlab.com/libeigen/eigen/-/archive/3.4.0/eigen-3.4.0.tar.gz
  URL_HASH SHA256=8586084f71f9bde545ee7fa6d00288b264a2b7ac3607b974e54d13e7162c1c72)

beit_find(nlohmann_json nlohmann_json::nlohmann_json 3.9 QUIET)
beit_fetch(
  nlohmann_json nlohmann_json::nlohmann_json "/include"
  URL https://github.com/nlohmann/json/releases/download/v3.11.3/json.tar.xz
  URL_HASH SHA256=d6c65aca6b1ed68e7a182f4757257b107ae403032760ed6ef121c9d55e81757d)

include(BeitDecoders)

beit_find(stb stb::stb QUIET)
beit_fetch(
  stb stb::stb ""
  GIT_REPOSITORY https://github.com/nothings/stb.git
  GIT_TAG 5736b15f7ea0ffb08dd38af21067c314d6a3aae9)

# Needed only by <beit/transfer/linear_probe.hpp>, which users of the library needn't include.
if(BEIT_BUILD_TESTS OR BEIT_BUILD_EXAMPLES)
  beit_find(lbfgspp lbfgspp::lbfgspp QUIET)
  beit_fetch(
    lbfgspp lbfgspp::lbfgspp "/include"
    URL https://github.com/yixuan/LBFGSpp/archive/refs/tags/v0.4.0.tar.gz
    URL_HASH SHA256=39c4aaebd8b94ccdc98191d51913a31cddd618cc0869d99f07a4b6da83ca6254)
endif()

# Finds stb_image.h and defines stb::stb, which adds its folder to the include path.
# Debian has it in stb/, vcpkg and others directly in the include folder.
find_path(stb_INCLUDE_DIR stb_image.h PATH_SUFFIXES stb)
mark_as_advanced(stb_INCLUDE_DIR)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(stb REQUIRED_VARS stb_INCLUDE_DIR)
if(stb_FOUND AND NOT TARGET stb::stb)
  add_library(stb::stb INTERFACE IMPORTED)
  target_include_directories(stb::stb INTERFACE "${stb_INCLUDE_DIR}")
endif()

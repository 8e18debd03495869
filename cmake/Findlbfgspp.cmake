# Finds LBFGS++ and defines lbfgspp::lbfgspp, which adds its folder to the include path. Debian's package has only
# headers.
find_path(lbfgspp_INCLUDE_DIR LBFGS.h)
mark_as_advanced(lbfgspp_INCLUDE_DIR)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(lbfgspp REQUIRED_VARS lbfgspp_INCLUDE_DIR)
if(lbfgspp_FOUND AND NOT TARGET lbfgspp::lbfgspp)
  add_library(lbfgspp::lbfgspp INTERFACE IMPORTED)
  target_include_directories(lbfgspp::lbfgspp INTERFACE "${lbfgspp_INCLUDE_DIR}")
endif()

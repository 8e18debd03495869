# An overlay port of the clone that it lies in: vcpkg install beit --overlay-ports=packaging/vcpkg/ports
get_filename_component(SOURCE_PATH "${CURRENT_PORT_DIR}/../../../.." ABSOLUTE)

vcpkg_check_features(OUT_FEATURE_OPTIONS options FEATURES compiled BEIT_BUILD_COMPILED)
foreach(feature IN LISTS FEATURES)
  if(feature MATCHES "^lib")  # libjpeg-turbo: BEIT_USE_LIBJPEG_TURBO
    string(MAKE_C_IDENTIFIER "${feature}" decoder)
    string(TOUPPER "${decoder}" decoder)
    list(APPEND options -DBEIT_USE_${decoder}=ON)
  endif()
endforeach()
if(NOT "compiled" IN_LIST FEATURES)
  set(VCPKG_BUILD_TYPE release)  # headers are the same in both
endif()
vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS -DBEIT_BUILD_TESTS=OFF -DBEIT_BUILD_EXAMPLES=OFF ${options})
vcpkg_cmake_install()

# vcpkg has all of a package's CMake files in one folder.
if("compiled" IN_LIST FEATURES)
  vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/beit DO_NOT_DELETE_PARENT_CONFIG_PATH)
endif()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/beit)
vcpkg_replace_string("${CURRENT_PACKAGES_DIR}/share/beit/beitConfig.cmake" "/lib/cmake/beit/" "/share/beit/")
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include" "${CURRENT_PACKAGES_DIR}/debug/share")
if(NOT "compiled" IN_LIST FEATURES)
  file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/lib")
endif()
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE" "${SOURCE_PATH}/NOTICE")

# install(), find_package(beit) and pkg-config. All three still work after the installed tree is moved.
include(CMakePackageConfigHelpers)
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME headers)  # the others: compiled, runtime, programs

set(beit_config_dir "${CMAKE_INSTALL_DATADIR}/cmake/beit")
set(beit_pc_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")

set(beit_used_decoders)
foreach(decoder IN LISTS beit_decoders)
  if(BEIT_USE_${decoder})
    list(APPEND beit_used_decoders ${decoder})
    list(JOIN beit_${decoder}_PKG_CONFIG ", " modules)
    string(REPLACE ">=" " >= " modules "${modules}")
    string(APPEND beit_pc_requires ", ${modules}")
    string(APPEND beit_pc_cflags " -DBEIT_USE_${decoder}=1")
  endif()
endforeach()

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/beit" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(TARGETS beit EXPORT beitTargets INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(
  EXPORT beitTargets
  NAMESPACE beit::
  DESTINATION "${beit_config_dir}")
# A folder per architecture, because libraries differ between architectures.
set(beit_compiled_dir "${CMAKE_INSTALL_LIBDIR}/cmake/beit")
if(BEIT_BUILD_COMPILED)
  install(
    TARGETS beit_compiled
    EXPORT beitCompiledTargets
    ARCHIVE COMPONENT compiled
    RUNTIME COMPONENT runtime
    LIBRARY COMPONENT runtime NAMELINK_COMPONENT compiled)
  install(
    EXPORT beitCompiledTargets
    NAMESPACE beit::
    COMPONENT compiled
    DESTINATION "${beit_compiled_dir}")
endif()
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/beitConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/beitConfig.cmake" INSTALL_DESTINATION "${beit_config_dir}"
                              PATH_VARS beit_compiled_dir)
# Headers are the same for every architecture.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/beitConfigVersion.cmake" COMPATIBILITY SameMinorVersion
                                 ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/beitConfig.cmake" "${PROJECT_BINARY_DIR}/beitConfigVersion.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/Findstb.cmake" "${PROJECT_SOURCE_DIR}/cmake/BeitDecoders.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/BeitBuildType.cmake" "${PROJECT_SOURCE_DIR}/cmake/BeitEmbedModel.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/embed_model.cmake"
        DESTINATION "${beit_config_dir}")

if(IS_ABSOLUTE "${beit_pc_dir}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(beit_pc_prefix "${CMAKE_INSTALL_PREFIX}")
  set(beit_pc_include "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
  file(RELATIVE_PATH beit_pc_up "/${beit_pc_dir}" "/")
  string(REGEX REPLACE "/$" "" beit_pc_up "${beit_pc_up}")
  set(beit_pc_prefix "\${pcfiledir}/${beit_pc_up}")
  set(beit_pc_include "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/beit.pc.in" "${PROJECT_BINARY_DIR}/beit.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/beit.pc" DESTINATION "${beit_pc_dir}")
if(BEIT_BUILD_COMPILED)
  # Beside the other, so that one PKG_CONFIG_PATH finds both; but in the libraries' folder if that is of one architecture,
  # such as lib/x86_64-linux-gnu, because there pkg-config looks by itself.
  if(CMAKE_INSTALL_LIBDIR STREQUAL "lib")
    set(beit_lib_pc_dir "${beit_pc_dir}")
    set(beit_pc_libdir "${beit_pc_prefix}/lib")
  elseif(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(beit_lib_pc_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
    set(beit_pc_libdir "${CMAKE_INSTALL_LIBDIR}")
  else()
    set(beit_lib_pc_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
    set(beit_pc_libdir "\${pcfiledir}/..")
  endif()
  configure_file("${PROJECT_SOURCE_DIR}/cmake/beit-compiled.pc.in" "${PROJECT_BINARY_DIR}/beit-compiled.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/beit-compiled.pc" DESTINATION "${beit_lib_pc_dir}" COMPONENT compiled)
endif()
# Debian's packages have their own text instead of these.
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" "${PROJECT_SOURCE_DIR}/NOTICE" DESTINATION "${CMAKE_INSTALL_DOCDIR}"
        COMPONENT licences)
install(
  FILES "${PROJECT_SOURCE_DIR}/examples/data/README.md"
  DESTINATION "${CMAKE_INSTALL_DOCDIR}"
  COMPONENT licences
  RENAME THIRD_PARTY.md)
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME programs)

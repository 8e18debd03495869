# cpack -G DEB makes Debian packages of the installed files. Configure with -DCMAKE_INSTALL_PREFIX=/usr, so that
# libraries go where Debian has them; to publish packages, add -DCPACK_PACKAGE_CONTACT="Name <mail>".
find_program(BEIT_DPKG dpkg)
mark_as_advanced(BEIT_DPKG)
if(NOT BEIT_DPKG OR CMAKE_CROSSCOMPILING)
  return()
endif()

if(NOT CPACK_PACKAGE_CONTACT)
  # A package must state an address; the reserved domain .invalid says that there is none.
  set(CPACK_PACKAGE_CONTACT "The authors of beit <no-address@beit.invalid>")
endif()
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # each package has its own
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
                                                WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(beit_debian_version "${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}")

# Files that every package has in its folder of documents.
string(TIMESTAMP beit_debian_date "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(CONFIGURE OUTPUT debian/changelog.Debian @ONLY CONTENT
     "beit (@beit_debian_version@) unstable; urgency=medium

  * Packages by CPack of beit @PROJECT_VERSION@.

 -- @CPACK_PACKAGE_CONTACT@  @beit_debian_date@
")
execute_process(COMMAND gzip -9 --no-name --force "${PROJECT_BINARY_DIR}/debian/changelog.Debian"
                        COMMAND_ERROR_IS_FATAL ANY)
file(READ NOTICE beit_notice)
file(READ examples/data/README.md beit_third_party)
file(CONFIGURE OUTPUT debian/copyright @ONLY CONTENT
     "@beit_notice@
Licensed under the Apache License, Version 2.0: on Debian, /usr/share/common-licenses/Apache-2.0.

THIRD_PARTY.md:

@beit_third_party@")

# beit_debian_package(COMPONENT NAME SECTION DESCRIPTION DEPENDENCY...)
macro(beit_debian_package component name section description)
  string(TOUPPER ${component} beit_upper)
  list(APPEND CPACK_COMPONENTS_ALL ${component})
  set(CPACK_DEBIAN_${beit_upper}_PACKAGE_NAME ${name})
  set(CPACK_DEBIAN_${beit_upper}_PACKAGE_SECTION ${section})
  set(CPACK_COMPONENT_${beit_upper}_DESCRIPTION "${description}")
  set(beit_depends ${ARGN})
  list(JOIN beit_depends ", " CPACK_DEBIAN_${beit_upper}_PACKAGE_DEPENDS)
  install(
    FILES "${PROJECT_BINARY_DIR}/debian/copyright" "${PROJECT_BINARY_DIR}/debian/changelog.Debian.gz"
    DESTINATION "${CMAKE_INSTALL_DATAROOTDIR}/doc/${name}"
    COMPONENT ${component}
    EXCLUDE_FROM_ALL)
endmacro()

set(beit_text "BEiT is a vision transformer for image classification, feature extraction and
masked-image modelling; the library runs timm's weights with timm's results.")

set(CPACK_COMPONENTS_ALL)
set(beit_decoder_packages)
foreach(decoder IN LISTS beit_used_decoders)
  list(APPEND beit_decoder_packages ${beit_${decoder}_DEBIAN})
  if(NOT beit_${decoder}_FIND_PACKAGE)
    list(APPEND beit_decoder_packages pkg-config)
  endif()
endforeach()
list(REMOVE_DUPLICATES beit_decoder_packages)
beit_debian_package(headers libbeit-dev libdevel "inference for BEiT vision transformers (headers)
${beit_text}\nThis package has the header-only library." "libeigen3-dev (>= 3.4)"
                    "nlohmann-json3-dev (>= 3.9)" libstb-dev ${beit_decoder_packages})
set(CPACK_DEBIAN_HEADERS_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_HEADERS_PACKAGE_SUGGESTS liblbfgspp-dev)

if(BEIT_BUILD_COMPILED)
  set(beit_compiled_depends "libbeit-dev (= ${beit_debian_version})")
  if(BUILD_SHARED_LIBS)
    set(beit_runtime libbeit${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
    beit_debian_package(runtime ${beit_runtime} libs "inference for BEiT vision transformers (shared library)
${beit_text}\nThis package has the shared library.")
    set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
    set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
    file(CONFIGURE OUTPUT debian/triggers CONTENT "activate-noawait ldconfig\n")
    set(CPACK_DEBIAN_RUNTIME_PACKAGE_CONTROL_EXTRA "${PROJECT_BINARY_DIR}/debian/triggers")
    list(APPEND beit_compiled_depends "${beit_runtime} (= ${beit_debian_version})")
  endif()
  beit_debian_package(compiled libbeit-compiled-dev libdevel "inference for BEiT vision transformers (compiled)
${beit_text}\nThis package has the files for linking programs to the compiled library." ${beit_compiled_depends})
endif()

if(BEIT_BUILD_EXAMPLES)
  beit_debian_package(programs beit science "inference for BEiT vision transformers (programs)
${beit_text}\nThis package has programs that classify, embed and search images,
train classifiers and draw attention, with a small demo model.")
  set(CPACK_DEBIAN_PROGRAMS_PACKAGE_SHLIBDEPS ON)
endif()

include(CPack)

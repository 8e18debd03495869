# The optional libraries that decode images: each becomes an imported target with everything that its users need,
# including the definition BEIT_USE_... This file is installed, too, so that find_package(beit) finds the libraries that
# beit was built with.
set(beit_decoders)

# beit_add_decoder(NAME HELP text PKG_CONFIG module... DEBIAN package [FIND_PACKAGE package TARGET target]): a row of the
# table. HELP describes CMake's option BEIT_USE_NAME. Found by find_package if it names one, else by pkg-config.
macro(beit_add_decoder name)
  cmake_parse_arguments(beit_${name} "" "DEBIAN;FIND_PACKAGE;TARGET;HELP" PKG_CONFIG ${ARGN})
  list(APPEND beit_decoders ${name})
endmacro()

beit_add_decoder(
  LIBJPEG_TURBO HELP "Decode JPEG with libjpeg-turbo, which gives Pillow's pixels, instead of stb_image"
  PKG_CONFIG libjpeg DEBIAN libjpeg62-turbo-dev FIND_PACKAGE JPEG TARGET JPEG::JPEG)
beit_add_decoder(LIBWEBP HELP "Read WebP with libwebp" PKG_CONFIG libwebpdemux libwebp DEBIAN libwebp-dev)
beit_add_decoder(LIBTIFF HELP "Read TIFF with libtiff 4.5 or later" PKG_CONFIG libtiff-4>=4.5 DEBIAN libtiff-dev)
beit_add_decoder(LIBAVIF HELP "Read AVIF with libavif" PKG_CONFIG libavif DEBIAN libavif-dev)
beit_add_decoder(LIBHEIF HELP "Read HEIC with libheif" PKG_CONFIG libheif DEBIAN libheif-dev)

# beit_find_decoder(LIBWEBP [REQUIRED]) defines beit::LIBWEBP if the library is found.
macro(beit_find_decoder name)
  if(NOT TARGET beit::${name})
    set(beit_decoder)
    if(beit_${name}_FIND_PACKAGE)
      if(NOT TARGET ${beit_${name}_TARGET})
        find_package(${beit_${name}_FIND_PACKAGE} QUIET ${ARGN})
      endif()
      if(TARGET ${beit_${name}_TARGET})
        set(beit_decoder ${beit_${name}_TARGET})
      endif()
    else()
      find_package(PkgConfig QUIET ${ARGN})
      if(PKG_CONFIG_FOUND)
        pkg_check_modules(beit_${name} QUIET ${ARGN} IMPORTED_TARGET ${beit_${name}_PKG_CONFIG})
        if(beit_${name}_FOUND)
          set(beit_decoder PkgConfig::beit_${name})
        endif()
      endif()
    endif()
    if(beit_decoder)
      # Makes the imported target visible to the folders above, too.
      get_target_property(beit_imported ${beit_decoder} IMPORTED)
      if(beit_imported)
        set_target_properties(${beit_decoder} PROPERTIES IMPORTED_GLOBAL TRUE)
      endif()
      add_library(beit::${name} INTERFACE IMPORTED GLOBAL)
      target_link_libraries(beit::${name} INTERFACE ${beit_decoder})
      target_compile_definitions(beit::${name} INTERFACE BEIT_USE_${name}=1)
    endif()
  endif()
endmacro()

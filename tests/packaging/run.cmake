# One packaging test: cmake -DWAY=... -P run.cmake, called by CTest. Each starts from an empty folder.
cmake_policy(VERSION 3.21)

string(REGEX REPLACE "_(static|shared|debian)$" "" consumer "${CMAKE_CURRENT_LIST_DIR}/${WAY}")
set(build "${WORK}/${WAY}")
set(prefix "${WORK}/installed")
set(model "${SOURCE}/tests/golden/model_standard.safetensors")
set(image "${SOURCE}/examples/data/chelsea.png")
file(REMOVE_RECURSE "${build}")
file(MAKE_DIRECTORY "${build}")

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status ECHO_OUTPUT_VARIABLE ECHO_ERROR_VARIABLE
                  OUTPUT_VARIABLE output ERROR_VARIABLE errors)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "status ${status}: ${command}")
  endif()
  set(output "${output}" PARENT_SCOPE)
  set(errors "${errors}" PARENT_SCOPE)
endfunction()

# Sets `configured` to what CMake said on standard error.
function(configure_and_build)
  run("${CMAKE_COMMAND}" -S "${consumer}" -B "${build}" -G "${GENERATOR}" "-DCMAKE_CXX_COMPILER=${CXX}"
      -DCMAKE_CXX_FLAGS= -DCMAKE_EXPORT_COMPILE_COMMANDS=ON ${ARGN})
  set(configured "${errors}" PARENT_SCOPE)
  run("${CMAKE_COMMAND}" --build "${build}")
endfunction()

# The program gives the class and probability that timm gives (0.8086), and one line and status 1 for a file that isn't there.
function(check_program program)
  run("${program}" "${model}" "${image}")
  if(NOT output MATCHES "^class 0, score 0\\.8086[0-9]*\n$")
    message(FATAL_ERROR "found: ${output}")
  endif()
  execute_process(COMMAND "${program}" "${model}.missing" "${image}" RESULT_VARIABLE status ERROR_VARIABLE errors)
  if(NOT status EQUAL 1 OR NOT errors MATCHES "^[^\n]*model_standard.safetensors.missing[^\n]*\n$")
    message(FATAL_ERROR "status ${status}, found: ${errors}")
  endif()
endfunction()

# The user's compiler is called with the user's flags, the standard and include paths, and nothing else.
# Each further argument is a folder that must be among the include paths.
function(check_flags)
  file(READ "${build}/compile_commands.json" commands)
  # The only other command is beit::compiled's, which isn't run here.
  string(JSON count LENGTH "${commands}")
  math(EXPR last "${count} - 1")
  set(command)
  foreach(i RANGE ${last})
    string(JSON file GET "${commands}" ${i} file)
    if(file MATCHES "/app\\.cpp$")
      string(JSON command GET "${commands}" ${i} command)
    elseif(NOT file MATCHES "/src/beit\\.cpp$")
      message(FATAL_ERROR "${file} is compiled too")
    endif()
  endforeach()
  message("${command}")
  foreach(folder IN LISTS ARGN)
    if(NOT command MATCHES "(-I|-isystem )${folder} ")
      message(FATAL_ERROR "no ${folder} among the include paths")
    endif()
  endforeach()
  separate_arguments(words UNIX_COMMAND "${command}")
  list(POP_FRONT words)  # the compiler
  while(words)
    list(POP_FRONT words word)
    if(word MATCHES "^(-isystem|-o|-c)$")
      list(POP_FRONT words)
    elseif(NOT word MATCHES "^-(I.+|std=(gnu|c)\\+\\+2[0a]|W(all|extra|pedantic|shadow|conversion|sign-conversion|error))$")
      message(FATAL_ERROR "a flag that the user didn't ask for: ${word}")
    endif()
  endwhile()
endfunction()

# pack(FOLDER PACKAGE...) makes Debian packages by FOLDER/CPackConfig.cmake in FOLDER/packages: these and no others.
function(pack folder)
  file(REMOVE_RECURSE "${folder}/packages")
  run("${CPACK}" -G DEB --config "${folder}/CPackConfig.cmake" -B "${folder}/packages")
  file(GLOB found RELATIVE "${folder}/packages" "${folder}/packages/*.deb")
  list(TRANSFORM found REPLACE "_.*" "")
  if(NOT found STREQUAL "${ARGN}")
    message(FATAL_ERROR "packages: ${found}, wanted ${ARGN}")
  endif()
endfunction()

# check_package(FOLDER NAME ARCHITECTURE DEPENDS FILE...): what a package says, and files that it has, by expressions.
function(check_package folder name architecture depends)
  file(GLOB package "${folder}/packages/${name}_*.deb")
  run(dpkg-deb --field "${package}" Package Version Architecture Depends)
  if(NOT output MATCHES "^Package: ${name}\nVersion: ${VERSION}[.0-9]*-1\nArchitecture: ${architecture}\nDepends: ${depends}\n$")
    message(FATAL_ERROR "found: ${output}, wanted ${name} ${VERSION} ${architecture} ${depends}")
  endif()
  run(dpkg-deb --contents "${package}")
  foreach(file IN ITEMS ${ARGN} "/share/doc/${name}/copyright" "/share/doc/${name}/changelog.Debian.gz")
    if(NOT output MATCHES " \\./usr${file}[\n ]")
      message(FATAL_ERROR "no ${file}")
    endif()
  endforeach()
  run(dpkg-deb --extract "${package}" "${folder}/root")
endfunction()

if(WAY STREQUAL "install")
  # Installs and then moves the library: no file may hold the path of the installation.
  file(REMOVE_RECURSE "${prefix}")
  run("${CMAKE_COMMAND}" -S "${SOURCE}" -B "${build}" -G "${GENERATOR}" "-DCMAKE_CXX_COMPILER=${CXX}"
      "-DCMAKE_INSTALL_PREFIX=${build}/prefix" -DBEIT_BUILD_TESTS=OFF -DBEIT_BUILD_EXAMPLES=OFF)
  run("${CMAKE_COMMAND}" --install "${build}")
  file(RENAME "${build}/prefix" "${prefix}")
  file(GLOB_RECURSE wanted RELATIVE "${SOURCE}/include" "${SOURCE}/include/*")
  file(GLOB_RECURSE found RELATIVE "${prefix}/include" "${prefix}/include/*")
  if(NOT found STREQUAL wanted)
    message(FATAL_ERROR "installed headers: ${found}\nwanted: ${wanted}")
  endif()
  file(GLOB_RECURSE texts "${prefix}/*.cmake" "${prefix}/*.pc")
  foreach(text IN LISTS texts)
    file(READ "${text}" content)
    if(content MATCHES "${build}|${SOURCE}/")
      message(FATAL_ERROR "${text} holds a path of the build")
    endif()
  endforeach()

elseif(WAY STREQUAL "find_package")
  configure_and_build("-DBEIT_WANTED=${VERSION}" "-DCMAKE_PREFIX_PATH=${prefix}" -DBEIT_TARGET=beit)
  check_flags("${prefix}/include")
  check_program("${build}/app")
  if(NOT configured MATCHES "beit: found no CMAKE_BUILD_TYPE")
    message(FATAL_ERROR "CMake says nothing of a build without optimisation: ${configured}")
  endif()
  execute_process(COMMAND "${CMAKE_COMMAND}" -S "${consumer}" -B "${build}/components" "-DCMAKE_PREFIX_PATH=${prefix}"
                          -DBEIT_COMPONENTS=compiled -DBEIT_TARGET=compiled RESULT_VARIABLE status OUTPUT_QUIET
                  ERROR_VARIABLE errors)
  if(status EQUAL 0 OR NOT errors MATCHES "BEIT_BUILD_COMPILED=ON")
    message(FATAL_ERROR "a missing component: status ${status}, found: ${errors}")
  endif()

elseif(WAY STREQUAL "single_header")
  # All headers in one: the program, and a second file that includes it.
  run("${PYTHON}" "${SOURCE}/packaging/single_header.py" "${build}/beit/beit.hpp")
  file(WRITE "${build}/second.cpp" "#include <beit/beit.hpp>\n")
  run("${CXX}" -std=c++20 -O1 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Werror "-I${build}"
      -idirafter "${EIGEN}" -idirafter "${NLOHMANN_JSON}" -idirafter "${STB}" "${CMAKE_CURRENT_LIST_DIR}/app.cpp"
      "${build}/second.cpp" -pthread -o "${build}/app")
  check_program("${build}/app")

elseif(WAY STREQUAL "find_package_debian")
  # The unpacked package of headers must work like the installed library.
  run("${CMAKE_COMMAND}" -S "${SOURCE}" -B "${build}/beit" -G "${GENERATOR}" "-DCMAKE_CXX_COMPILER=${CXX}"
      -DCMAKE_INSTALL_PREFIX=/usr -DBEIT_BUILD_TESTS=OFF -DBEIT_BUILD_EXAMPLES=OFF)
  pack("${build}/beit" libbeit-dev)
  check_package("${build}/beit" libbeit-dev all
                "libeigen3-dev \\(>= 3.4\\), nlohmann-json3-dev \\(>= 3.9\\), libstb-dev" /include/beit/beit.hpp
                /share/pkgconfig/beit.pc)
  file(GLOB_RECURSE wanted RELATIVE "${SOURCE}/include" "${SOURCE}/include/*")
  file(GLOB_RECURSE found RELATIVE "${build}/beit/root/usr/include" "${build}/beit/root/usr/include/*")
  if(NOT found STREQUAL wanted)
    message(FATAL_ERROR "packed headers: ${found}\nwanted: ${wanted}")
  endif()
  configure_and_build("-DBEIT_WANTED=${VERSION}" "-DCMAKE_PREFIX_PATH=${build}/beit/root/usr" -DBEIT_TARGET=beit)
  check_program("${build}/app")

elseif(WAY MATCHES "^find_package_(static|shared)$")
  # The library is compiled, installed, moved, and used by an unoptimised program, by CMake and by pkg-config.
  if(CMAKE_MATCH_1 STREQUAL "shared")
    set(shared ON)
  else()
    set(shared OFF)
  endif()
  run("${CMAKE_COMMAND}" -S "${SOURCE}" -B "${build}/beit" -G "${GENERATOR}" "-DCMAKE_CXX_COMPILER=${CXX}"
      "-DCMAKE_INSTALL_PREFIX=${build}/prefix" -DCMAKE_BUILD_TYPE=Release -DBEIT_BUILD_TESTS=OFF
      -DBEIT_BUILD_EXAMPLES=OFF -DBEIT_BUILD_COMPILED=ON -DBUILD_SHARED_LIBS=${shared}
      -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER})
  run("${CMAKE_COMMAND}" --build "${build}/beit")
  run("${CMAKE_COMMAND}" --install "${build}/beit")
  file(RENAME "${build}/prefix" "${build}/moved")
  configure_and_build("-DBEIT_WANTED=${VERSION}" "-DCMAKE_PREFIX_PATH=${build}/moved" -DBEIT_TARGET=compiled
                      -DBEIT_COMPONENTS=compiled -DCMAKE_BUILD_TYPE=Debug)
  if(configured MATCHES "CMAKE_BUILD_TYPE")
    message(FATAL_ERROR "CMake warns of a build that is optimised: ${configured}")
  endif()
  check_program("${build}/app")
  file(GLOB library "${build}/moved/lib*/libbeit.*" "${build}/moved/lib*/*/libbeit.*")
  list(GET library 0 library)
  cmake_path(GET library PARENT_PATH library)
  set(ENV{PKG_CONFIG_PATH} "${build}/moved/share/pkgconfig:$ENV{PKG_CONFIG_PATH}")
  set(ENV{LD_LIBRARY_PATH} "${library}")
  run(pkg-config --cflags beit-compiled)
  separate_arguments(cflags UNIX_COMMAND "${output}")
  run(pkg-config --libs beit-compiled)
  separate_arguments(libs UNIX_COMMAND "${output}")
  run("${CXX}" -O2 -Wall -Wextra -Wpedantic -Wshadow -Werror ${cflags} -c "${CMAKE_CURRENT_LIST_DIR}/app.cpp" -o
      "${build}/app_pc.o")
  run("${CXX}" "${build}/app_pc.o" ${libs} -o "${build}/app_pc")
  check_program("${build}/app_pc")
  file(SIZE "${build}/app_pc.o" size)
  if(size GREATER 150000)
    message(FATAL_ERROR "the program's object has ${size} bytes, wanted at most 150000")
  endif()

  # Debian's packages of the same build.
  if(SHLIBDEPS)
    set(headers "libbeit-dev \\(= ${VERSION}[.0-9]*-1\\)")
    set(lib "/lib[-_a-z0-9/]*")
    if(shared)
      set(runtime "libbeit${VERSION}")
      pack("${build}/beit" libbeit-compiled-dev libbeit-dev ${runtime})
      check_package("${build}/beit" ${runtime} "[a-z0-9]+" "[^\n]*libc6 [^\n]*" ${lib}/libbeit.so.${VERSION})
      check_package("${build}/beit" libbeit-compiled-dev "[a-z0-9]+" "${headers}, ${runtime} \\(= ${VERSION}[.0-9]*-1\\)"
                    ${lib}/libbeit.so /share/pkgconfig/beit-compiled.pc ${lib}/cmake/beit/beitCompiledTargets.cmake)
    else()
      pack("${build}/beit" libbeit-compiled-dev libbeit-dev)
      check_package("${build}/beit" libbeit-compiled-dev "[a-z0-9]+" "${headers}" ${lib}/libbeit.a
                    /share/pkgconfig/beit-compiled.pc ${lib}/cmake/beit/beitCompiledTargets.cmake)
    endif()
  endif()

elseif(WAY STREQUAL "debian_programs")
  # The programs that were built beside the tests.
  file(COPY "${RELEASE}/CPackConfig.cmake" DESTINATION "${build}")
  file(APPEND "${build}/CPackConfig.cmake" "set(CPACK_COMPONENTS_ALL programs)\n")
  pack("${build}" beit)
  check_package("${build}" beit "[a-z0-9]+" "[^\n]*libc6 [^\n]*" /bin/beit-classify /bin/beit-embed /bin/beit-mask
                /bin/beit-segment /share/man/man1/beit-embed.1 /share/bash-completion/completions/beit-embed
                /share/zsh/vendor-completions/_beit-embed)
  run("${build}/root/usr/bin/beit-classify" --csv "${SOURCE}/examples/data/fashion_mnist/bag.png")
  if(NOT output MATCHES "bag\\.png,1,8,Bag,")
    message(FATAL_ERROR "found: ${output}")
  endif()

  # CMake installs the same, and completions for zsh where zsh looks for those that no package has brought.
  run("${CMAKE_COMMAND}" --install "${RELEASE}" --prefix "${build}/prefix")
  foreach(file IN ITEMS man/man1/beit-train-head.1 bash-completion/completions/beit-train-head
                        zsh/site-functions/_beit-train-head)
    if(NOT EXISTS "${build}/prefix/share/${file}")
      message(FATAL_ERROR "no share/${file} is installed")
    endif()
  endforeach()

elseif(WAY STREQUAL "conan")
  # The recipe and its own test of the package, with a separate Conan home and without downloads.
  set(ENV{CONAN_HOME} "${build}/home")
  set(ENV{CXX} "${CXX}")
  run("${CONAN}" profile detect)
  run("${CONAN}" create "${SOURCE}" --profile:all "${CMAKE_CURRENT_LIST_DIR}/conan/debian.profile" --no-remote
      --conf "tools.cmake.cmake_layout:test_folder=${build}")

elseif(WAY STREQUAL "add_subdirectory")
  configure_and_build("-DBEIT_SOURCE=${SOURCE}")
  check_flags("${SOURCE}/include")
  check_program("${build}/app")

elseif(WAY STREQUAL "fetch_content")
  # The library comes as an archive, and its dependencies are downloaded, too: from copies, because there is no network.
  foreach(part IN ITEMS CMakeLists.txt cmake include src)
    file(COPY "${SOURCE}/${part}" DESTINATION "${build}/archive/beit")
  endforeach()
  run("${CMAKE_COMMAND}" -E chdir "${build}/archive" "${CMAKE_COMMAND}" -E tar czf "${build}/beit.tar.gz" beit)
  file(COPY "${EIGEN}/Eigen" DESTINATION "${build}/eigen")
  file(COPY "${NLOHMANN_JSON}/nlohmann" DESTINATION "${build}/json/include")
  file(COPY "${STB}/stb_image.h" DESTINATION "${build}/stb")
  configure_and_build(
    "-DBEIT_ARCHIVE=${build}/beit.tar.gz" -DCMAKE_DISABLE_FIND_PACKAGE_Eigen3=ON
    -DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON -DCMAKE_DISABLE_FIND_PACKAGE_stb=ON
    "-DFETCHCONTENT_SOURCE_DIR_EIGEN=${build}/eigen" "-DFETCHCONTENT_SOURCE_DIR_NLOHMANN_JSON=${build}/json"
    "-DFETCHCONTENT_SOURCE_DIR_STB=${build}/stb")
  check_flags("${build}/_deps/beit-src/include" "${build}/eigen" "${build}/json/include" "${build}/stb")
  check_program("${build}/app")

elseif(WAY STREQUAL "pkg_config")
  # No CMake: pkg-config and a compiler. Our headers come by -I here, and give no warning.
  set(ENV{PKG_CONFIG_PATH} "${prefix}/share/pkgconfig:$ENV{PKG_CONFIG_PATH}")
  run(pkg-config --cflags beit)
  separate_arguments(cflags UNIX_COMMAND "${output}")
  run(pkg-config --libs beit)
  separate_arguments(libs UNIX_COMMAND "${output}")
  run("${CXX}" -Wall -Wextra -Wpedantic -Wshadow -Werror ${cflags} "${CMAKE_CURRENT_LIST_DIR}/app.cpp" ${libs} -o
      "${build}/app")
  check_program("${build}/app")

elseif(WAY STREQUAL "libjpeg_turbo")
  # Installs the library with all optional libraries that are found: both ways to find it must set their definitions and
  # link them.
  list(TRANSFORM DECODERS REPLACE "(.+)" "-DBEIT_USE_\\1=ON" OUTPUT_VARIABLE options)
  list(LENGTH DECODERS wanted_endings)  # one for each library, .jpg among them
  file(STRINGS "${SOURCE}/tests/golden/image/decode_optional.txt" images)
  list(TRANSFORM images PREPEND tests/golden/image/)
  list(PREPEND images "examples/data/rocket.jpg 427 640")
  function(check_sizes program)
    set(endings)
    foreach(image IN LISTS images)
      string(REGEX MATCH "^([^ ]+(\\.[a-z]+)) ([0-9]+) ([0-9]+)" line "${image}")
      set(name "${CMAKE_MATCH_1}")
      set(ending "${CMAKE_MATCH_2}")
      set(size "${CMAKE_MATCH_3} x ${CMAKE_MATCH_4}\n")
      run("${program}" "${SOURCE}/${name}")
      if(output STREQUAL size)
        list(APPEND endings ${ending})
      elseif(NOT output STREQUAL "not read\n")
        message(FATAL_ERROR "${name}: found: ${output}, wanted ${size}")
      endif()
    endforeach()
    list(REMOVE_DUPLICATES endings)
    list(LENGTH endings found)
    if(NOT found EQUAL wanted_endings)
      message(FATAL_ERROR "found files read with the endings ${endings}, wanted ${wanted_endings} for ${DECODERS}")
    endif()
  endfunction()
  run("${CMAKE_COMMAND}" -S "${SOURCE}" -B "${build}/beit" -G "${GENERATOR}" "-DCMAKE_CXX_COMPILER=${CXX}"
      "-DCMAKE_INSTALL_PREFIX=${build}/prefix" -DBEIT_BUILD_TESTS=OFF -DBEIT_BUILD_EXAMPLES=OFF ${options})
  run("${CMAKE_COMMAND}" --install "${build}/beit")
  configure_and_build("-DBEIT_WANTED=${VERSION}" "-DCMAKE_PREFIX_PATH=${build}/prefix")
  check_sizes("${build}/app")
  set(ENV{PKG_CONFIG_PATH} "${build}/prefix/share/pkgconfig:$ENV{PKG_CONFIG_PATH}")
  run(pkg-config --cflags beit)
  separate_arguments(cflags UNIX_COMMAND "${output}")
  run(pkg-config --libs beit)
  separate_arguments(libs UNIX_COMMAND "${output}")
  run("${CXX}" -Wall -Wextra -Wpedantic -Wshadow -Werror ${cflags} "${consumer}/app.cpp" ${libs} -o "${build}/app_pc")
  check_sizes("${build}/app_pc")

else()
  message(FATAL_ERROR "there is no way \"${WAY}\"")
endif()

# One packaging test: cmake -DWAY=... -P run.cmake, called by CTest. Each starts from an empty folder.
cmake_policy(VERSION 3.21)

set(consumer "${CMAKE_CURRENT_LIST_DIR}/${WAY}")
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
endfunction()

function(configure_and_build)
  run("${CMAKE_COMMAND}" -S "${consumer}" -B "${build}" -G "${GENERATOR}" "-DCMAKE_CXX_COMPILER=${CXX}"
      -DCMAKE_CXX_FLAGS= -DCMAKE_EXPORT_COMPILE_COMMANDS=ON ${ARGN})
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
  string(JSON count LENGTH "${commands}")
  if(NOT count EQUAL 1)
    message(FATAL_ERROR "wanted one file to be compiled, found ${commands}")
  endif()
  string(JSON command GET "${commands}" 0 command)
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

if(WAY STREQUAL "install")
  # Installed, then moved: nothing may hold the path that it was installed to.
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
  configure_and_build("-DCMAKE_PREFIX_PATH=${prefix}")
  check_flags("${prefix}/include")
  check_program("${build}/app")

elseif(WAY STREQUAL "add_subdirectory")
  configure_and_build("-DBEIT_SOURCE=${SOURCE}")
  check_flags("${SOURCE}/include")
  check_program("${build}/app")

elseif(WAY STREQUAL "fetch_content")
  # The library comes as an archive, and what it needs is fetched too: from copies, for want of a network.
  foreach(part IN ITEMS CMakeLists.txt cmake include)
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
  # Installed with the option: both ways to find the library set the definition and link libjpeg-turbo.
  function(check_size program)
    run("${program}" "${SOURCE}/examples/data/rocket.jpg")
    if(NOT output STREQUAL "427 x 640\n")
      message(FATAL_ERROR "found: ${output}")
    endif()
  endfunction()
  run("${CMAKE_COMMAND}" -S "${SOURCE}" -B "${build}/beit" -G "${GENERATOR}" "-DCMAKE_CXX_COMPILER=${CXX}"
      "-DCMAKE_INSTALL_PREFIX=${build}/prefix" -DBEIT_BUILD_TESTS=OFF -DBEIT_BUILD_EXAMPLES=OFF
      -DBEIT_USE_LIBJPEG_TURBO=ON)
  run("${CMAKE_COMMAND}" --install "${build}/beit")
  configure_and_build("-DCMAKE_PREFIX_PATH=${build}/prefix")
  check_size("${build}/app")
  set(ENV{PKG_CONFIG_PATH} "${build}/prefix/share/pkgconfig:$ENV{PKG_CONFIG_PATH}")
  run(pkg-config --cflags beit)
  separate_arguments(cflags UNIX_COMMAND "${output}")
  run(pkg-config --libs beit)
  separate_arguments(libs UNIX_COMMAND "${output}")
  run("${CXX}" -Wall -Wextra -Wpedantic -Wshadow -Werror ${cflags} "${consumer}/app.cpp" ${libs} -o "${build}/app_pc")
  check_size("${build}/app_pc")

else()
  message(FATAL_ERROR "there is no way \"${WAY}\"")
endif()

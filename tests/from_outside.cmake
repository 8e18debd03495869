# Suites that run the programs from outside: one entry of ctest per file of pytest's, also labelled with its folder, and
# the scripts. Suites that can't run here aren't registered, and a message says what they lack.
if(NOT BEIT_BUILD_EXAMPLES)
  return()
endif()

# Programs for Windows, in wine, compared with this machine's.
set(BEIT_NATIVE_BUILD_DIR "${PROJECT_SOURCE_DIR}/build-release" CACHE PATH "Where this machine's programs are")
mark_as_advanced(BEIT_NATIVE_BUILD_DIR)
if(CMAKE_CROSSCOMPILING AND WIN32)
  add_test(NAME programs.windows COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/programs/windows.sh" "${PROJECT_BINARY_DIR}"
                                         "${BEIT_NATIVE_BUILD_DIR}")
  set_tests_properties(programs.windows PROPERTIES LABELS programs TIMEOUT 600)
endif()
if(CMAKE_CROSSCOMPILING)
  return()
endif()

set(BEIT_TEST_PYTHON "${PROJECT_SOURCE_DIR}/build-venv/bin/python"
    CACHE FILEPATH "A Python with weights_tools/requirements.txt, torch and torchvision, for the Python tests")
set(outside_environment "BEIT_BUILD_DIR=${PROJECT_BINARY_DIR}" PYTHONDONTWRITEBYTECODE=1)

# Checks that this Python has these modules.
function(beit_python_has out python)
  execute_process(
    COMMAND "${python}" -c "import importlib.util as i, sys; sys.exit(not all(map(i.find_spec, sys.argv[1:])))" ${ARGN}
    RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
  string(COMPARE EQUAL "${status}" 0 same)
  set(${out} ${same} PARENT_SCOPE)
endfunction()

function(beit_pytest name python file)
  add_test(NAME ${name} COMMAND "${python}" -m pytest -q -p no:cacheprovider --durations=5 "${file}"
           WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties(${name} PROPERTIES LABELS "${ARGN}" TIMEOUT 1800 ENVIRONMENT "${outside_environment}")
endfunction()

beit_python_has(has_timm "${BEIT_TEST_PYTHON}" pytest timm torchvision)
if(has_timm)
  foreach(folder IN ITEMS tests/programs tests/timm weights_tools/tests bench/compare)
    string(REGEX REPLACE "^tests/|/.*" "" label "${folder}")
    file(GLOB files CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/test_*.py")
    foreach(file IN LISTS files)
      cmake_path(GET file STEM name)
      string(REGEX REPLACE "^test_" "" name "${name}")
      beit_pytest(${label}.${name} "${BEIT_TEST_PYTHON}" "${file}" python ${label})
      # ctest runs several files at once: PyTorch on two threads takes 1.4 times as many processor seconds.
      if(NOT label STREQUAL programs)
        set_property(TEST ${label}.${name} APPEND PROPERTY ENVIRONMENT OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1)
      endif()
    endforeach()
  endforeach()
  # The longest begin first, whatever times ctest has recorded.
  set_tests_properties(timm.full_size timm.fidelity PROPERTIES COST 2000)
  set_tests_properties(timm.demo weights_tools.convert PROPERTIES COST 1000)
else()
  message(STATUS "Without the Python tests: ${BEIT_TEST_PYTHON} has no pytest, timm and torchvision (BEIT_TEST_PYTHON)")
endif()

# A job array on its own Slurm.
find_program(BEIT_SLURMCTLD slurmctld)
find_program(BEIT_MUNGED munged)
mark_as_advanced(BEIT_SLURMCTLD BEIT_MUNGED)
if(BEIT_SLURMCTLD AND BEIT_MUNGED)
  add_test(NAME slurm.job_array COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/slurm/run.sh")
  set_tests_properties(slurm.job_array PROPERTIES LABELS slurm TIMEOUT 300 RUN_SERIAL ON
                                                  ENVIRONMENT "${outside_environment}")
else()
  message(STATUS "Without tests/slurm: there is no slurmctld and munged")
endif()

# The page examples/web, which the preset `web` builds, in Chromium and Firefox.
find_program(BEIT_CHROMEDRIVER chromedriver)
find_program(BEIT_FIREFOX firefox-esr)
set(BEIT_WEB_PYTHON "${PROJECT_SOURCE_DIR}/build-web/venv/bin/python"
    CACHE FILEPATH "A Python with pytest, selenium and tests/web/requirements.txt, for the tests of the page")
mark_as_advanced(BEIT_CHROMEDRIVER BEIT_FIREFOX BEIT_WEB_PYTHON)
beit_python_has(has_drivers "${BEIT_WEB_PYTHON}" pytest selenium marionette_driver)
if(BEIT_CHROMEDRIVER AND BEIT_FIREFOX AND has_drivers AND EXISTS "${PROJECT_SOURCE_DIR}/build-web/site")
  beit_pytest(web.page "${BEIT_WEB_PYTHON}" "${CMAKE_CURRENT_SOURCE_DIR}/web" web)
  set_tests_properties(web.page PROPERTIES RUN_SERIAL ON)
else()
  message(STATUS "Without tests/web: there is no build-web/site, chromedriver, firefox-esr, or BEIT_WEB_PYTHON")
endif()

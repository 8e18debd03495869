# No macro of stb_image's is left defined after our headers.
#
# cmake -DCXX=g++ -DINCLUDES="include;/usr/include/eigen3;/usr/include/stb" -DWORK=build -P tests/image/macros_test.cmake
list(TRANSFORM INCLUDES PREPEND -I)
file(WRITE ${WORK}/before.cpp "#include <beit/image/transform.hpp>\n#include <filesystem>\n#include <fstream>\n"
                              "#include <emmintrin.h>\n")
file(WRITE ${WORK}/after.cpp "#include <beit/image/transform.hpp>\n#include <filesystem>\n#include <fstream>\n"
                             "#include <beit/image/decode.hpp>\n")
foreach(unit before after)
  execute_process(COMMAND ${CXX} -std=c++20 ${INCLUDES} -dM -E ${WORK}/${unit}.cpp
                  OUTPUT_VARIABLE ${unit} RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "${CXX} -E failed on ${unit}.cpp")
  endif()
  string(REGEX MATCHALL "#define [A-Za-z_0-9]+" ${unit} "${${unit}}")
endforeach()
list(REMOVE_ITEM after ${before})
list(FILTER after EXCLUDE REGEX "#define (BEIT_|_)")
string(REGEX MATCHALL "#define (STB|stb|dct_|FAST_BITS)[A-Za-z_0-9]*" left "${after}")
if(left)
  message(FATAL_ERROR "left defined: ${left}")
endif()
message(STATUS "no macro of stb_image's is left; other new ones, of system headers: ${after}")

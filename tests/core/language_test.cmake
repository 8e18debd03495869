# A program that is compiled as C++17 is told so in one sentence, the first error that it gets.
#
# cmake -DCXX=g++ -DINCLUDES="include;/usr/include/eigen3;/usr/include/stb" -DWORK=build -P tests/core/language_test.cmake
list(TRANSFORM INCLUDES PREPEND -I)
file(WRITE ${WORK}/language.cpp "#include <beit/beit.hpp>\n")
execute_process(COMMAND ${CXX} -std=c++17 -fsyntax-only ${INCLUDES} ${WORK}/language.cpp
                ERROR_VARIABLE errors RESULT_VARIABLE failed)
if(NOT failed)
  message(FATAL_ERROR "${CXX} compiled the library as C++17")
endif()
string(REGEX MATCH "error: [^\n]*" first "${errors}")
if(NOT first MATCHES "beit needs C\\+\\+20: compile with -std=c\\+\\+20")
  message(FATAL_ERROR "the first error of C++17 is: ${first}")
endif()
message(STATUS "${first}")

# Says what a build without optimisation costs, once, where a project without CMAKE_BUILD_TYPE finds the library.
if(NOT CMAKE_CONFIGURATION_TYPES AND NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CXX_FLAGS MATCHES "-O[1-9sfgz]|/O[12xt]")
  message(NOTICE "beit: found no CMAKE_BUILD_TYPE: without optimisation a pass takes about thirty times as long; "
                 "configure with -DCMAKE_BUILD_TYPE=Release, or link beit::compiled built so")
endif()

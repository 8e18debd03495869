# Release by g++: every test, every header alone, the rules of the text, and the projects that use the packages.
packages=(libbenchmark-dev libopencv-core-dev clang-format-14 dpkg-dev file)

run() {
  build_release all beit_headers_alone
  run_ctest release --label-regex 'unit|odr|packaging|strict'
  echo "Compile time of one file that includes <beit/beit.hpp>, at -O2:"
  TIMEFORMAT="%U s"
  time g++ -std=c++20 -O2 -Iinclude -isystem /usr/include/eigen3 -c tests/packaging/app.cpp -o build-release/app.o
}

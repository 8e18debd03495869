# Release by g++: every test, every header alone, the rules of the text, and the projects that use the packages.
packages=(libbenchmark-dev libopencv-core-dev clang-format-14 dpkg-dev file)

run() {
  build_release all beit_headers_alone
  run_ctest release --label-regex 'unit|odr|packaging|strict'
  bench/compile_time.sh 1
}

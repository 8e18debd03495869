# Computations at full optimisation, and the headers under strict warnings, by clang. The stage debug compiles the programs.
packages=(clang)

run() {
  configure clang -DBEIT_BUILD_EXAMPLES=OFF
  build clang beit_strict
  build_tests clang kernels image
  run_tests clang '*' kernels image
}

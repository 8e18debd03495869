# The programs, and computations at full optimisation, compiled by clang.
packages=(clang)

run() {
  configure clang
  build clang examples/all beit_strict
  build_tests clang kernels image
  run_tests clang '*' kernels image
}

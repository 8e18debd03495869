# What clang makes of the programs, and of what is computed at full optimisation.
packages=(clang)

run() {
  configure clang
  build clang examples/all beit_strict
  build_tests clang kernels image
  run_tests clang '*' kernels image
}

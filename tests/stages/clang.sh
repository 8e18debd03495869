# What clang makes of the programs, and of what is computed at full optimisation.
packages=(clang)

run() {
  configure clang
  build clang examples/all beit_kernels_tests beit_image_tests beit_nn_tests beit_model_tests beit_odr_tests \
    beit_strict
  run_ctest clang --label-regex 'unit|odr' --tests-regex '^(kernels|image|nn|model|odr)\.'
}

# The quick suite for newcomers: one build, unit tests, the programs, a project that uses the library, and timm as the
# oracle on small models.
packages=(libbenchmark-dev python3-venv python3-torch python3-torchvision libopenblas0-pthread ca-certificates opencv-doc
          python3-sklearn libavif-bin libheif-examples)

run() {
  make_venv
  echo "--- building the programs and the unit tests"
  build_release examples/all beit_unit_tests
  echo "--- unit tests, a project that uses this one, the programs, and timm"
  run_ctest release --tests-regex "^(core|cpu|io|image|kernels|nn|model|transfer|examples|allocation|turbo|programs|strict)\\.|\
^(packaging\\.add_subdirectory|weights_tools\\.golden)$"
}

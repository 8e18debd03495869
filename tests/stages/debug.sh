# The build that CONTRIBUTING.md tells a contributor to make: every file compiled on its own, without optimisation. The
# other stages join files (CMAKE_UNITY_BUILD), which hides a missing include.
packages=()

run() {
  configure debug -DCMAKE_CXX_FLAGS_DEBUG=-O0
  build debug examples/all beit_unit_tests
  run_ctest debug --tests-regex '^nn\.Mlp\.'
}

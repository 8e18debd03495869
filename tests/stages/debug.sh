# The preset of a contributor's build, with clang: every file compiled on its own, without optimisation. The other stages
# join files (CMAKE_UNITY_BUILD), which hides a missing include.
packages=(clang)

run() {
  configure debug -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_CXX_FLAGS_DEBUG=-O0
  build debug examples/all beit_unit_tests
  run_ctest debug --tests-regex '^nn\.Mlp\.'
}

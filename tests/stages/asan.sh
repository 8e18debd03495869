# All unit tests, by clang with its sanitizers of addresses and undefined behaviour, and with libstdc++'s assertions.
packages=(clang libclang-rt-14-dev)

run() {
  configure asan "${compiled_once[@]}" -DBEIT_BUILD_EXAMPLES=OFF
  build asan beit_unit_tests
  run_tests asan '*' "${unit_tests[@]}" allocation turbo
}

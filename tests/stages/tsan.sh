# The tests that run threads, with the sanitizer of threads.
packages=()

run() {
  # The sanitizer's fixed memory layout fails where the kernel randomises more bits than it knows of.
  local fixed_addresses=()
  if setarch -R true 2>/dev/null; then fixed_addresses=(setarch -R); fi
  configure tsan -DCMAKE_CXX_COMPILER=g++ -DBEIT_BUILD_EXAMPLES=OFF
  build tsan beit_core_tests beit_model_tests
  "${fixed_addresses[@]}" ctest --test-dir build-tsan --output-on-failure --no-tests=error --label-regex unit \
    --tests-regex '^(core|model)\..*Thread'
}

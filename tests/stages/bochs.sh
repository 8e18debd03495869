# The kernels of every level that this machine lacks, on emulated processors; the stage gcc runs the others.
packages=(make xz-utils curl ca-certificates xorriso isolinux syslinux-common seabios)

# emulate PROCESSOR LEVEL TESTS FILTER: runs these tests on an emulated processor whose best level of kernels is LEVEL.
emulate() {
  local filter=${4/#-/not}  # each run has its own log
  local log=build-release/$1.$3.${filter//[^[:alpha:]]/}.log
  {
    tests/bochs/run.sh "$1" build-release/tests/beit_levels && tests/bochs/run.sh "$1" build-release/tests/beit_cpu_tests &&
      tests/bochs/run.sh "$1" "build-release/tests/beit_$3_tests" "BEIT_TESTED_LEVELS=$tested" "--gtest_filter=$4"
  } >"$log" 2>&1 && grep -q "^best level: $2\$" "$log" && ! grep -E 'PASSED *\] 0 tests|SKIPPED' "$log" && return
  cat "$log"
  return 1
}

run() {
  build_release beit_levels beit_cpu_tests beit_image_tests beit_kernels_tests
  tests/bochs/run.sh arrow_lake build-release/tests/beit_levels  # builds Bochs
  local failed=0 others tested
  tested=$(build-release/tests/beit_levels | sed -n 's/^levels: //p')
  emulate sapphire_rapids amx kernels '-*AttentionCases*' &  # the longest, and part of it below
  others=$!
  emulate arrow_lake avx2_vnni kernels '-Amx.*' || failed=$((failed + 1))
  emulate sapphire_rapids amx image 'Resize*-ResizeOpencv.*' || failed=$((failed + 1))
  emulate sapphire_rapids amx kernels '*AttentionCases*' || failed=$((failed + 1))
  wait "$others" || failed=$((failed + 1))
  echo "$((4 - failed)) passed, $failed failed"
  return $((failed > 0))
}

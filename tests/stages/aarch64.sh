# 64-bit ARM, by a cross compiler and an emulator.
packages=(g++-aarch64-linux-gnu qemu-user python3)

emulator=(qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu)
# on_arm PROCESSOR PROGRAM [ARGUMENT...]: runs a test program on such a processor.
on_arm() { "${emulator[@]}" "$1" "build-aarch64/tests/$2" "${@:3}"; }

# kernels_on PROCESSOR LEVELS: runs the tests of kernels there, except on these levels, which a lesser processor runs.
kernels_on() {
  echo "kernels on $1, without the levels '$2'"
  BEIT_TESTED_LEVELS=$2 on_arm "$1" beit_kernels_tests --gtest_brief=1
}

run() {
  local others=(allocation) folder max
  for folder in "${unit_tests[@]}"; do
    [[ $folder == kernels ]] || others+=("$folder")
  done
  configure aarch64 "${at_o2[@]}" "${compiled_once[@]}" -DBEIT_BUILD_EXAMPLES=OFF
  build aarch64 beit_unit_tests beit_levels
  # Mutated files reach no code specific to this processor, and take minutes in an emulator.
  run_tests aarch64 '-*Mutat*' "${others[@]}" -- "${emulator[@]}" max
  # Tests the best level of processors with matrix products, with only the dot product and with neither, and the kernels
  # of each level on the smallest processor that has it.
  on_arm max beit_levels | grep "^best level: neon_matrix$"
  on_arm neoverse-n1 beit_levels | grep "^best level: neon_dot$"
  on_arm cortex-a53 beit_levels | grep "^best level: neon$"
  kernels_on max portable,neon,neon_dot &
  max=$!
  kernels_on cortex-a53 ''
  kernels_on neoverse-n1 portable,neon
  wait "$max"
  python3 bench/count_instructions.py build-aarch64/tests/beit_kernels_tests
}

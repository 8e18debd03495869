# 64-bit ARM, by a cross compiler and an emulator.
packages=(g++-aarch64-linux-gnu qemu-user python3)

emulator=(qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu)
# on_arm PROCESSOR PROGRAM: one of the tests' programs, on such a processor.
on_arm() { "${emulator[@]}" "$1" "build-aarch64/tests/$2"; }

run() {
  configure aarch64 -DBEIT_BUILD_EXAMPLES=OFF
  build aarch64 beit_unit_tests
  # Mutated files meet no code of this processor's, and take minutes in an emulator.
  run_tests aarch64 '-*Mutat*' "${unit_tests[@]}" allocation -- "${emulator[@]}" max
  # The best level of processors with products of matrices, with the dot product alone and with neither, and the kernels
  # of the latter two.
  on_arm max beit_cpu_tests | grep "^best level: neon_matrix$"
  on_arm neoverse-n1 beit_cpu_tests | grep "^best level: neon_dot$"
  on_arm cortex-a53 beit_cpu_tests | grep "^best level: neon$"
  on_arm neoverse-n1 beit_kernels_tests | tail -1
  on_arm cortex-a53 beit_kernels_tests | tail -1
  python3 bench/count_instructions.py build-aarch64/tests/beit_kernels_tests
}

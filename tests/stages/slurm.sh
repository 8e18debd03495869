# A job array on a Slurm of our own, which takes root.
packages=(slurm-wlm munge libbenchmark-dev)

run() {
  build_release beit-embed
  run_ctest release --label-regex slurm
}

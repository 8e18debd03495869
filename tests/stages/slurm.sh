# A job array on our own Slurm, which needs root.
packages=(slurm-wlm munge libbenchmark-dev)

run() {
  build_release beit-embed
  run_ctest release --label-regex slurm
}

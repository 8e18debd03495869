# A job array on a Slurm of our own, which takes root.
packages=(slurm-wlm munge libbenchmark-dev)

run() {
  local as_root=()
  [[ $(id -u) -eq 0 ]] || as_root=(sudo)
  build_release beit-embed
  "${as_root[@]}" env BEIT_BUILD_DIR="$PWD/build-release" tests/slurm/run.sh
  echo "1 passed, 0 failed"
}

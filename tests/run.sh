#!/bin/bash
# Installs what the tests need on Debian 12 (by apt, as root or with sudo), builds and runs tests:
#   tests/run.sh            the quick suite, with the tests that most likely fail: under 10 minutes on two cores
#   tests/run.sh all        all stages
#   tests/run.sh gcc fuzz   some of them: the files in tests/stages
# Changes nothing outside this folder except that it installs Debian packages; build folders are called build-*.
set -uo pipefail
cd "$(dirname "$0")/.."
source tests/stages/common.sh

stages=("$@")
[[ $# -gt 0 ]] || stages=(quick)
[[ "$*" != all ]] || stages=(gcc debug python slurm clang asan tsan aarch64 mingw wasm zig bochs fuzz docs)

wanted=("${libraries[@]}")
for stage in "${stages[@]}"; do
  if [[ $stage == common || ! -f tests/stages/$stage.sh ]]; then
    there=$(basename -s .sh tests/stages/*.sh | grep -v common | tr '\n' ' ')
    echo "tests/run.sh: there is no stage '$stage'; there are: all $there" >&2
    exit 2
  fi
  source "tests/stages/$stage.sh"
  wanted+=("${packages[@]}")
done

summary=()
failed=()
# run_stage NAME COMMAND...: runs a stage; if it fails, the next ones run nevertheless.
run_stage() {
  local start=$SECONDS status
  echo "=== $1"
  (set -e; "${@:2}") </dev/null
  status=$?
  [[ $status -eq 0 ]] || failed+=("$1")
  summary+=("$(printf '%-10s %4d s  %s' "$1" $((SECONDS - start)) "$([[ $status -eq 0 ]] && echo passed || echo FAILED)")")
}

run_stage packages tests/install_packages.sh "${wanted[@]}"
if [[ ${#failed[@]} -eq 0 ]]; then
  for stage in "${stages[@]}"; do
    source "tests/stages/$stage.sh"
    run_stage "$stage" run
  done
fi

echo "=== stages, on $jobs processors"
printf '%s\n' "${summary[@]}"
if [[ ${#failed[@]} -gt 0 ]]; then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
echo "All stages passed in $SECONDS s."

#!/bin/bash
# Installs what the tests need on Debian 12 (by apt, as root or with sudo), builds everything and runs every test:
#   tests/run.sh            all stages
#   tests/run.sh gcc fuzz   some of them
# Leaves nothing outside this folder but Debian's packages; build folders are called build-*.
set -uo pipefail
cd "$(dirname "$0")/.."

stages=(gcc python slurm clang asan tsan aarch64 bochs fuzz)
jobs=$(nproc)
python=build-venv/bin/python
export PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=$jobs OPENBLAS_NUM_THREADS=$jobs

libraries=(g++ cmake ninja-build libeigen3-dev nlohmann-json3-dev libstb-dev libjpeg62-turbo-dev libcli11-dev
           libarchive-dev liblbfgspp-dev libxxhash-dev libgtest-dev libgmock-dev
           pkg-config libwebp-dev libtiff-dev libavif-dev libheif-dev)
declare -A packages=(
  [gcc]="libbenchmark-dev"
  # PyTorch from Debian; without OpenBLAS it multiplies by the reference BLAS, 100 times slower.
  [python]="libbenchmark-dev python3-venv python3-torch python3-torchvision libopenblas0-pthread ca-certificates
            dataset-fashion-mnist opencv-doc python3-matplotlib python3-sklearn libavif-bin libheif-examples
            python3-attr python3-requests"
  [slurm]="slurm-wlm munge libbenchmark-dev"
  [clang]="clang"
  [asan]="clang libclang-rt-14-dev"
  [tsan]=""
  [aarch64]="g++-aarch64-linux-gnu qemu-user python3"
  [bochs]="make xz-utils curl ca-certificates xorriso isolinux syslinux-common seabios"
  [fuzz]="clang libclang-rt-14-dev"
)

# configure PRESET [CMAKE ARGUMENT...]
configure() {
  local launcher=()
  if command -v ccache >/dev/null; then
    export CCACHE_DIR=${CCACHE_DIR:-$PWD/build-ccache}
    launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  fi
  cmake --preset "$1" "${launcher[@]}" "${@:2}"
}

build() { cmake --build "build-$1" -j "$jobs" -- -k 0 "${@:2}"; }
run_ctest() { ctest --test-dir "build-$1" --output-on-failure --no-tests=error -j "$jobs" "${@:2}"; }

# Release with the files of each program joined, as in most presets; headers are compiled alone by beit_headers_alone.
build_release() {
  configure release -DCMAKE_CXX_COMPILER=g++ -DCMAKE_UNITY_BUILD=ON
  build release "$@"
}

stage_gcc() {
  build_release all beit_headers_alone
  run_ctest release
  echo "Compile time of one file that includes <beit/beit.hpp>, at -O2:"
  TIMEFORMAT="%U s"
  time g++ -std=c++20 -O2 -Iinclude -isystem /usr/include/eigen3 -c tests/packaging/app.cpp -o build-release/app.o
}

stage_python() {
  if [[ ! -e build-venv/ready ]]; then
    /usr/bin/python3 -m venv --clear --system-site-packages build-venv
    local install=("$python" -m pip install -q --no-cache-dir --disable-pip-version-check)
    "${install[@]}" -r weights_tools/requirements.txt
    "${install[@]}" --no-deps DALL_E==0.1  # its declared dependencies are its notebooks'
    touch build-venv/ready
  fi
  build_release
  export BEIT_BUILD_DIR=$PWD/build-release
  local folder failed=0
  for folder in tests/programs tests/timm weights_tools/tests bench/compare; do
    $python -m pytest -q -p no:cacheprovider --durations=5 "$folder" || failed=1
  done
  return $failed
}

# A job array on a Slurm of our own, which takes root.
stage_slurm() {
  local as_root=()
  [[ $(id -u) -eq 0 ]] || as_root=(sudo)
  build_release beit-embed
  "${as_root[@]}" env BEIT_BUILD_DIR="$PWD/build-release" tests/slurm/run.sh
  echo "1 passed, 0 failed"
}

# What clang makes of the programs, and of what is computed at full optimisation.
stage_clang() {
  configure clang
  build clang examples/all beit_kernels_tests beit_image_tests beit_nn_tests beit_model_tests beit_odr_tests
  run_ctest clang --label-regex 'unit|odr' --tests-regex '^(kernels|image|nn|model|odr)\.'
}

# All unit tests, by clang.
stage_asan() {
  configure asan -DBEIT_BUILD_EXAMPLES=OFF
  build asan beit_unit_tests
  run_ctest asan --label-regex unit
}

# The tests that run threads.
stage_tsan() {
  # The sanitizer's fixed memory layout fails where the kernel randomises more bits than it knows of.
  local fixed_addresses=()
  if setarch -R true 2>/dev/null; then fixed_addresses=(setarch -R); fi
  configure tsan -DCMAKE_CXX_COMPILER=g++ -DBEIT_BUILD_EXAMPLES=OFF
  build tsan beit_core_tests beit_model_tests
  "${fixed_addresses[@]}" ctest --test-dir build-tsan --output-on-failure --no-tests=error --label-regex unit \
    --tests-regex '^(core|model)\..*Thread'
}

stage_aarch64() {
  configure aarch64 -DBEIT_BUILD_EXAMPLES=OFF
  build aarch64 beit_unit_tests
  # Mutated files meet no code of this processor's, and take minutes in an emulator.
  run_ctest aarch64 --label-regex unit --exclude-regex Mutat
  # The best level of processors with and without the dot product, and the kernels of the latter.
  on_arm max beit_cpu_tests | grep "^best level: neon_dot$"
  on_arm cortex-a53 beit_cpu_tests | grep "^best level: neon$"
  on_arm cortex-a53 beit_kernels_tests | tail -1
  python3 bench/count_instructions.py build-aarch64/tests/beit_kernels_tests
}
# on_arm PROCESSOR PROGRAM: one of the tests' programs, on such a processor.
on_arm() { qemu-aarch64 -cpu "$1" -L /usr/aarch64-linux-gnu "build-aarch64/tests/$2"; }

# emulate PROCESSOR LEVEL TESTS [FILTER]: these tests, on an emulated processor whose best level of kernels this is.
emulate() {
  local log=build-static/$1.$3.log
  {
    tests/bochs/run.sh "$1" build-static/tests/beit_cpu_tests &&
      tests/bochs/run.sh "$1" "build-static/tests/beit_$3_tests" "--gtest_filter=${4:-*}"
  } >"$log" 2>&1 && grep -q "^best level: $2\$" "$log" && ! grep -E 'PASSED *\] 0 tests|SKIPPED' "$log" && return
  cat "$log"
  return 1
}

# The kernels of every level, and of laptops' that no other has below it.
stage_bochs() {
  configure static -DCMAKE_CXX_COMPILER=g++
  cmake --build --preset static -j "$jobs"
  tests/bochs/run.sh arrow_lake build-static/tests/beit_cpu_tests  # builds Bochs
  local failed=0 others
  emulate sapphire_rapids amx kernels &
  others=$!
  emulate arrow_lake avx2_vnni kernels '-Amx.*' || failed=$((failed + 1))
  emulate sapphire_rapids amx image 'Resize*' || failed=$((failed + 1))
  wait "$others" || failed=$((failed + 1))
  echo "$((3 - failed)) passed, $failed failed"
  return $((failed > 0))
}

# All targets at once for 20 seconds, from their corpora.
stage_fuzz() {
  configure fuzz
  build fuzz
  local source name corpus failed=0
  local -A running=()
  for source in tests/fuzz/*_fuzz.cpp; do
    name=$(basename "$source" _fuzz.cpp)
    corpus=tests/fuzz/corpus_$name
    [[ -d $corpus ]] || corpus=tests/golden/$name
    mkdir -p "build-fuzz/found_$name"
    "build-fuzz/tests/fuzz/beit_${name}_fuzz" -max_total_time=20 -timeout=10 -rss_limit_mb=4096 -verbosity=0 \
      -print_final_stats=1 -artifact_prefix="build-fuzz/found_$name/" "build-fuzz/found_$name" "$corpus" \
      >"build-fuzz/$name.log" 2>&1 &
    running[$name]=$!
  done
  for name in "${!running[@]}"; do
    wait "${running[$name]}" || failed=$((failed + 1))
    sed '/Recommended dictionary/,/End of recommended/d' "build-fuzz/$name.log"
  done
  echo "$((${#running[@]} - failed)) passed, $failed failed"
  return $((failed > 0))
}

[[ $# -eq 0 ]] || stages=("$@")
wanted=("${libraries[@]}")
for stage in "${stages[@]}"; do
  if [[ ! -v packages[$stage] ]]; then
    echo "tests/run.sh: there is no stage '$stage'; there are: ${!packages[*]}" >&2
    exit 2
  fi
  read -r -d '' -a more <<<"${packages[$stage]}" || true
  wanted+=("${more[@]}")
done

summary=()
failed=()
# run_stage NAME COMMAND...: a stage that fails doesn't keep the next from running.
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
  for stage in "${stages[@]}"; do run_stage "$stage" "stage_$stage"; done
fi

echo "=== stages, on $jobs processors"
printf '%s\n' "${summary[@]}"
if [[ ${#failed[@]} -gt 0 ]]; then
  echo "FAILED: ${failed[*]}"
  exit 1
fi
echo "All stages passed in $SECONDS s."

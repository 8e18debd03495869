# Functions of all stages. A stage's file defines `run` and `packages`, the Debian packages that it needs beside those
# below.
libraries=(g++ cmake ninja-build libeigen3-dev nlohmann-json3-dev libstb-dev libjpeg62-turbo-dev libcli11-dev
           libarchive-dev liblbfgspp-dev libxxhash-dev libgtest-dev libgmock-dev
           pkg-config libwebp-dev libtiff-dev libavif-dev libheif-dev)
unit_tests=(core cpu io image kernels nn model transfer examples)  # allocation and turbo run only on this machine
jobs=$(nproc)
python=build-venv/bin/python

# Many build Release so; it compiles a tenth faster than CMake's -O3, which the stages gcc and clang use.
at_o2=(-DCMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG")

# Tests of files and models link the library compiled once, and aren't optimised themselves: in the stage asan they
# build in 0.4 of the time. The stages gcc and debug compile every test with the headers alone.
compiled_once=(-DBEIT_TESTS_COMPILED=ON)

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

# build_tests PRESET FOLDER...: builds those folders' test programs.
build_tests() {
  local targets=("${@:2}")
  targets=("${targets[@]/#/beit_}")
  build "$1" "${targets[@]/%/_tests}"
}

# run_tests PRESET FILTER FOLDER... [-- RUNNER...]: runs each test program once, the largest first, by RUNNER if this
# machine can't. Each is cut into as many parts as there are processors, so that none runs alone at the end. An entry of
# ctest for each test would start an emulator or a sanitizer hundreds of times.
run_tests() {
  local folder=build-$1/tests filter=$2 programs=() suffix= parts=$jobs
  [[ $1 != mingw ]] || suffix=.exe
  [[ $1 != wasm ]] || suffix=.js parts=1  # it sees no variables of the environment
  shift 2
  while [[ $# -gt 0 && $1 != -- ]]; do
    programs+=("$folder/beit_$1_tests$suffix")
    shift
  done
  shift || true
  ls -S "${programs[@]}" | while read -r program; do
    for ((part = 0; part < parts; ++part)); do echo "$part $program"; done
  done | GTEST_TOTAL_SHARDS=$parts xargs -P "$jobs" -L 1 bash -c '
    filter=$1 runner=("${@:2:$#-3}") part=${@: -2:1} program=${*: -1}
    log=$program.$part.log
    GTEST_SHARD_INDEX=$part "${runner[@]}" "$program" --gtest_brief=1 "--gtest_filter=$filter" >"$log" 2>&1
    status=$?
    echo "$program, part $part"
    cat "$log"
    exit $((status != 0))' bash "$filter" "$@"
}

# Release with each program's files joined, as in most presets; beit_headers_alone compiles headers alone.
build_release() {
  configure release -DCMAKE_CXX_COMPILER=g++ -DCMAKE_UNITY_BUILD=ON -DBEIT_STATIC_TESTS=ON
  build release "$@"
}

# Makes an environment with timm and the other modules that the Python tests import.
make_venv() {
  [[ ! -e build-venv/ready ]] || return 0
  /usr/bin/python3 -m venv --clear --system-site-packages build-venv
  local install=("$python" -m pip install -q --no-cache-dir --disable-pip-version-check)
  "${install[@]}" -r weights_tools/requirements.txt -r tests/packaging/conan/requirements.txt
  "${install[@]}" --no-deps DALL_E==0.1  # the dependencies that it declares are only its notebooks'
  touch build-venv/ready
}

# Systems and processors that this machine isn't, by zig, whose one package has a clang and the libraries of Linux
# (musl), macOS and Windows. With the newest Eigen and GoogleTest, where the other stages have Debian 12's.
packages=(python3-venv ca-certificates curl qemu-user)

# GoogleTest's versions in Debian's archive with their SHA-256: the newest, which vanishes when the next one comes, and
# that of Debian 13, which stays for years.
googletests=("1.18.0 b9cf3c3d06dbae3eeca671e2a3ea33f3749e23eaa1389cd92c9d0a575e146128"
             "1.16.0 2f54382b5d13d6cd0be2afc524f1e510d37f8ba78c2d439c5bea64ef37e30d01")

# fetch_googletest FOLDER: unpacks the first that is there.
fetch_googletest() {
  local row version sha256 archive=build-zig/googletest.tar.gz
  [[ ! -e $1 ]] || return 0
  for row in "${googletests[@]}"; do
    read -r version sha256 <<<"$row"
    curl -sSfL --retry 3 -o "$archive" \
      "https://deb.debian.org/debian/pool/main/g/googletest/googletest_$version.orig.tar.gz" || continue
    echo "$sha256  $archive" | sha256sum --check --quiet
    rm -rf "$1.part"
    mkdir -p "$1.part"
    tar -xzf "$archive" -C "$1.part" --strip-components=1
    mv "$1.part" "$1"
    echo "GoogleTest $version"
    return
  done
  echo "tests/stages/zig.sh: Debian has none of GoogleTest's versions in googletests, wanted one: add its newest" >&2
  return 1
}

# build_for ZIG_TARGET FLAGS CMAKE_TARGET...: builds these in build-zig/ZIG_TARGET.
build_for() {
  local folder=build-zig/$1
  cmake -S . -B "$folder" -G Ninja --toolchain cmake/zig.cmake "-DBEIT_ZIG=$zig" "-DBEIT_ZIG_TARGET=$1" \
    -DCMAKE_BUILD_TYPE=Release "-DCMAKE_CXX_FLAGS_RELEASE=$2" -DCMAKE_UNITY_BUILD=ON -DBEIT_WARNINGS_AS_ERRORS=ON \
    -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON "-DCMAKE_PROJECT_INCLUDE=$PWD/cmake/debian_headers.cmake" \
    "-DBEIT_NEWER_HEADERS=$PWD/build-zig/newest" "-DBEIT_GOOGLETEST=$PWD/build-zig/newest/googletest"
  cmake --build "$folder" -j 1 --target "${@:3}" -- -k 0
}

# What isn't timed isn't optimised, because it is compiled for longer than it runs, and isn't instrumented to find
# undefined behaviour, as zig would.
plain="-O0 -fno-sanitize=undefined"

# What is done for one ZIG_TARGET, and the last line that it prints is the result.
run_all() {
  # libc++ checks its preconditions, which zig switches off.
  local checks="-U_LIBCPP_HARDENING_MODE -D_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_EXTENSIVE"
  build_for "$1" "-O1 $checks" beit_example_hello beit-classify $(printf 'beit_%s_tests ' "${unit_tests[@]}")
  # The compiler's own detection of the processor is missing in zig's runtime library.
  run_tests "zig/$1" '-Isa.DetectionAgreesWithTheCompilersOwn' "${unit_tests[@]}"
  "build-zig/$1/examples/beit_example_hello" | grep ' % Bag$'
  "build-zig/$1/beit-classify" --csv examples/data/fashion_mnist/bag.png | grep ',1,8,Bag,'
  echo "ran hello, beit-classify and all unit tests"
}
run_golden() {  # ZIG_TARGET EMULATOR
  build_for "$1" "$plain" beit_example_hello beit_model_tests
  "$2" "build-zig/$1/examples/beit_example_hello" | grep ' % Bag$'
  run_tests "zig/$1" '*Golden.*' model -- "$2"
  echo "ran hello and the golden models"
}
run_hello() {  # ZIG_TARGET EMULATOR
  build_for "$1" "$plain" beit_example_hello
  "$2" "build-zig/$1/examples/beit_example_hello" | grep ' % Bag$'
  echo "ran hello"
}
link_programs() {  # with the unit tests of folders that have code specific to a system
  build_for "$1" "$plain" beit_example_hello examples/programs/all beit_{core,cpu,io,image,kernels}_tests
  echo "linked hello, the programs and unit tests"
}
link_hello() {
  build_for "$1" "$plain" beit_example_hello
  echo "linked hello"
}

# for_target FUNCTION ZIG_TARGET ARGUMENT...: calls it, prints what it prints, and writes a line of the table.
for_target() {
  local log=build-zig/$2.log status TIMEFORMAT='%0U+%0S' hello
  set +e
  { time { (set -e; "$@") >"$log" 2>&1; }; } 2>"$log.seconds"
  status=$?
  echo "--- $2"
  cat "$log"
  [[ $status -eq 0 ]] || exit "$status"
  hello=$(find "build-zig/$2/examples" -maxdepth 1 -name 'beit_example_hello*' -type f)
  printf '%-22s %5d KB %4d s  %s\n' "$2" $(($(stat -c %s "$hello") / 1024)) $(($(<"$log.seconds"))) \
    "$(tail -n 1 "$log")" >"$log.row"
}

# side_by_side COMMAND...: runs these, as many at once as there are processors: much of a target is done by one alone.
side_by_side() {
  local command running=0 status=0
  for command in "$@"; do
    [[ $running -lt $jobs ]] || { wait -n || status=1; running=$((running - 1)); }
    $command &
    running=$((running + 1))
  done
  for ((; running > 0; running--)); do wait -n || status=1; done
  return "$status"
}

run() {
  source packaging/zig.sh
  find_zig
  # Eigen 5, whose headers are in a package of PyPI.
  build-zig/bin/pip install -q --no-cache-dir --disable-pip-version-check --no-deps --only-binary :all: eigency==5.0.1.1
  mkdir -p build-zig/newest/eigen3
  ln -sfn "$(realpath build-zig/lib/python3*/site-packages/eigency/eigen/Eigen)" build-zig/newest/eigen3/Eigen
  fetch_googletest build-zig/newest/googletest

  rm -f build-zig/*.row
  # The longest first.
  side_by_side \
    "for_target run_all x86_64-linux-musl" \
    "for_target link_programs aarch64-macos.11.0-none" \
    "for_target run_golden riscv64-linux-musl qemu-riscv64" \
    "for_target run_golden x86-linux-musl env" \
    "for_target run_hello arm-linux-musleabihf qemu-arm" \
    "for_target link_hello aarch64-windows-gnu" \
    "for_target link_hello x86_64-macos.11.0-none"

  echo "--- size of hello, seconds of processors"
  cat build-zig/*.row
}

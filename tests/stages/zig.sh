# Systems and processors that this machine isn't, by zig, whose one package has a clang and the libraries of Linux
# (musl), macOS and Windows. With the newest Eigen and GoogleTest, where the other stages have Debian 12's.
packages=(python3-venv ca-certificates curl qemu-user)

rows=()

# fetch FOLDER ARCHIVE SHA256: unpacks a source archive of Debian's newest packages into build-zig/newest/FOLDER.
fetch() {
  local folder=$PWD/build-zig/newest/$1 archive=$PWD/build-zig/$1.tar
  [[ ! -e $folder ]] || return 0
  curl -sSfL --retry 3 -o "$archive" "https://deb.debian.org/debian/pool/main/$2"
  echo "$3  $archive" | sha256sum --check --quiet
  rm -rf "$folder.part"
  mkdir -p "$folder.part"
  cmake -E chdir "$folder.part" cmake -E tar xf "$archive"  # which needs no bzip2
  mv "$folder.part"/* "$folder"
  rmdir "$folder.part"
}

# build_for ZIG_TARGET FLAGS CMAKE_TARGET...: builds these in build-zig/ZIG_TARGET.
build_for() {
  local folder=build-zig/$1
  echo "--- $1"
  cmake -S . -B "$folder" -G Ninja --toolchain cmake/zig.cmake "-DBEIT_ZIG=$zig" "-DBEIT_ZIG_TARGET=$1" \
    -DCMAKE_BUILD_TYPE=Release "-DCMAKE_CXX_FLAGS_RELEASE=$2" -DCMAKE_UNITY_BUILD=ON -DBEIT_WARNINGS_AS_ERRORS=ON \
    -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON "-DCMAKE_PROJECT_INCLUDE=$PWD/cmake/debian_headers.cmake" \
    "-DBEIT_NEWER_HEADERS=$PWD/build-zig/newest" "-DBEIT_GOOGLETEST=$PWD/build-zig/newest/googletest" >"$folder.log" ||
    { cat "$folder.log"; return 1; }
  cmake --build "$folder" -j "$jobs" --target "${@:3}" -- -k 0
}

# add_row ZIG_TARGET START RESULT: a line of the table, with the size of hello and the seconds since START.
add_row() {
  local hello
  hello=$(find "build-zig/$1/examples" -maxdepth 1 -name 'beit_example_hello*' -type f)
  rows+=("$(printf '%-22s %5d KB %4d s  %s' "$1" $(($(stat -c %s "$hello") / 1024)) $((SECONDS - $2)) "$3")")
}

run() {
  source packaging/zig.sh
  find_zig
  fetch googletest g/googletest/googletest_1.18.0.orig.tar.gz \
    b9cf3c3d06dbae3eeca671e2a3ea33f3749e23eaa1389cd92c9d0a575e146128
  fetch eigen3 e/eigen3/eigen3_5.0.1.orig.tar.bz2 197d404a98cb1f99925c4e2cbda278881b167ee2e6437ed97cffb5f9d4952e75
  local target=x86_64-linux-musl start=$SECONDS emulator

  # libc++ checks its preconditions, which zig switches off.
  local checks="-U_LIBCPP_HARDENING_MODE -D_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_EXTENSIVE"
  build_for "$target" "-O1 $checks" beit_example_hello beit-classify $(printf 'beit_%s_tests ' "${unit_tests[@]}")
  # The compiler's own detection of the processor is missing in zig's runtime library.
  run_tests "zig/$target" '-Isa.DetectionAgreesWithTheCompilersOwn' "${unit_tests[@]}"
  "build-zig/$target/examples/beit_example_hello" | grep ' % Bag$'
  "build-zig/$target/beit-classify" --csv examples/data/fashion_mnist/bag.png | grep ',1,8,Bag,'
  add_row "$target" "$start" "ran hello, beit-classify and all unit tests"

  # What follows isn't optimised, because it is compiled for longer than it runs, and isn't instrumented to find
  # undefined behaviour, as zig would.
  local plain="-O0 -fno-sanitize=undefined"
  for target in x86-linux-musl arm-linux-musleabihf riscv64-linux-musl; do
    start=$SECONDS
    emulator=qemu-${target%%-*}
    [[ $target != x86-* ]] || emulator=env  # this processor runs it
    build_for "$target" "$plain" beit_example_hello beit_model_tests
    "$emulator" "build-zig/$target/examples/beit_example_hello" | grep ' % Bag$'
    run_tests "zig/$target" '*Golden.*' model -- "$emulator"
    add_row "$target" "$start" "ran hello and the golden models"
  done
  for target in aarch64-macos-none x86_64-macos-none; do
    start=$SECONDS
    build_for "$target" "$plain" beit_example_hello beit_core_tests
    add_row "$target" "$start" "linked hello and the unit tests of core"
  done
  target=aarch64-windows-gnu start=$SECONDS
  build_for "$target" "$plain" beit_example_hello
  add_row "$target" "$start" "linked hello"

  echo "--- size of hello, time of building and running"
  printf '%s\n' "${rows[@]}"
}

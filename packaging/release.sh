#!/bin/bash
# Makes the archives of a release, on Debian 12 (as root or with sudo, because it installs packages by apt):
#   packaging/release.sh OUT                  all of them
#   packaging/release.sh OUT linux-x86_64 web some of them
# linux-x86_64 and linux-aarch64 have programs that need no library, macos-aarch64, macos-x86_64 and windows-x86_64 have
# programs that need only what these systems have, and web is the page examples/web. OUT/SHA256SUMS lists all archives
# there. packaging/test_release.sh OUT runs what they hold.
set -euo pipefail

[[ $# -gt 0 ]] || { echo "packaging/release.sh: wanted OUT [TARGET...]" >&2; exit 2; }
out=$(realpath -m "$1")
targets=("${@:2}")
all=(linux-x86_64 linux-aarch64 macos-aarch64 macos-x86_64 windows-x86_64 web)
[[ $# -gt 1 ]] || targets=("${all[@]}")
cd "$(dirname "$0")/.."
source packaging/zig.sh
version=$(sed -n 's/^#define BEIT_VERSION_\(MAJOR\|MINOR\|PATCH\) //p' include/beit/core/version.hpp | paste -sd.)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}  # the date of all files and programs
export SOURCE_DATE_EPOCH

# The compilers: zig and its name of the system, or Debian's packages.
declare -A zig_targets=(
  [linux-x86_64]=x86_64-linux-musl [linux-aarch64]=aarch64-linux-musl
  [macos-aarch64]=aarch64-macos.11.0-none [macos-x86_64]=x86_64-macos.11.0-none)
declare -A compilers=([windows-x86_64]=g++-mingw-w64-x86-64-posix [web]="emscripten node-acorn")

headers=(libeigen3-dev nlohmann-json3-dev libstb-dev libcli11-dev liblbfgspp-dev libxxhash-dev)
packages=("${headers[@]}" cmake ninja-build zip)
for target in "${targets[@]}"; do
  [[ " ${all[*]} " == *" $target "* ]] || {
    echo "packaging/release.sh: found the target $target, wanted one of ${all[*]}" >&2
    exit 2
  }
  read -ra needed <<<"${compilers[$target]:-python3-venv}"
  packages+=("${needed[@]}")
done
tests/install_packages.sh "${packages[@]}"

# copy_licences FOLDER FILE...: copies the licences of what is compiled in, named by the folders that they are from.
copy_licences() {
  local licence
  mkdir "$1"
  for licence in "${@:2}"; do cp "$licence" "$1/$(basename "$(dirname "$licence")").txt"; done
}

# build_programs TARGET LICENCE... -- CMAKE ARGUMENT...: builds and installs the programs in OUT/beit-VERSION-TARGET, with
# the licences of all that is compiled into them.
build_programs() {
  local folder=$out/beit-$version-$1 build=build-release-$1 licences=("${headers[@]/#//usr/share/doc/}")
  licences=("${licences[@]/%//copyright}")
  shift
  while [[ $1 != -- ]]; do licences+=("$1"); shift; done
  cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release "-DCMAKE_CXX_FLAGS_RELEASE=-O2 -DNDEBUG" \
    -DCMAKE_UNITY_BUILD=ON "-DCMAKE_PROJECT_INCLUDE=$PWD/cmake/debian_headers.cmake" -DBEIT_BUILD_TESTS=OFF \
    -DBEIT_FIND_DECODERS=OFF "${@:2}"
  cmake --build "$build" --target examples/programs/all
  rm -rf "$folder"
  for component in programs licences; do cmake --install "$build" --component "$component" --prefix "$folder"; done
  copy_licences "$folder/share/doc/beit/licences" "${licences[@]}"
}

# pack NAME: turns the folder OUT/NAME into an archive, whose bytes depend only on the files and the commit's date.
pack() {
  find "$out/$1" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
  rm -f "$out/$1".{zip,tar.gz}
  case $1 in
    *-linux-* | *-macos-*)
      (cd "$out" && tar --sort=name --owner=0 --group=0 --numeric-owner -c "$1" | gzip -9n >"$1.tar.gz")
      ;;
    *) (cd "$out" && find "$1" -type f | sort | TZ=UTC zip -q9X "$1.zip" -@) ;;
  esac
  rm -rf "${out:?}/$1"
}

mkdir -p "$out"
for target in "${targets[@]}"; do
  start=$SECONDS
  case $target in
    linux-* | macos-*)
      find_zig
      licences=("$(dirname "$zig")"/{LICENSE,lib/libcxx/LICENSE.TXT})
      [[ $target != linux-* ]] || licences+=("$(dirname "$zig")"/lib/{libc/musl/COPYRIGHT,libunwind/LICENSE.TXT})
      build_programs "$target" "${licences[@]}" -- --toolchain cmake/zig.cmake \
        "-DBEIT_ZIG=$zig" "-DBEIT_ZIG_TARGET=${zig_targets[$target]}"
      ;;
    windows-x86_64)
      build_programs "$target" /usr/share/doc/{g++-mingw-w64-x86-64-posix,mingw-w64-x86-64-dev}/copyright -- \
        --toolchain cmake/x86_64-w64-mingw32.cmake -DCMAKE_EXE_LINKER_FLAGS_RELEASE=-s
      ;;
    web)
      export NODE_PATH=/usr/share/nodejs
      cmake --preset web
      cmake --build --preset web
      rm -rf "$out/beit-$version-web"
      cp -r build-web/site "$out/beit-$version-web"
      cp LICENSE NOTICE "$out/beit-$version-web"
      cp examples/data/README.md "$out/beit-$version-web/THIRD_PARTY.md"
      copy_licences "$out/beit-$version-web/licences" \
        /usr/share/doc/{emscripten,libeigen3-dev,nlohmann-json3-dev,libstb-dev}/copyright
      ;;
  esac
  pack "beit-$version-$target"
  echo "$target: $((SECONDS - start)) s"
done
(shopt -s nullglob && cd "$out" && sha256sum beit-*.{tar.gz,zip} >SHA256SUMS)
ls -l "$out"

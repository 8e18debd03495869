#!/bin/bash
# Runs what is in the archives that packaging/release.sh has made: packaging/test_release.sh OUT (as root). Programs for
# Linux run in a folder that holds nothing else, those for ARM by qemu-user, and those for Windows by wine. Of those for
# macOS, which nothing here can run, the headers are read by llvm-objdump.
set -euo pipefail

[[ $# -eq 1 ]] || { echo "packaging/test_release.sh: wanted OUT" >&2; exit 2; }
image=$(realpath "$(dirname "$0")/../examples/data/fashion_mnist/bag.png")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$1"
sha256sum --quiet --check SHA256SUMS

# check COMMAND...: the command, a beit-classify that is given an image, must see a bag.
check() {
  local start=$SECONDS found
  found=$("$@" --csv) || true
  grep -q ',1,8,Bag,' <<<"$found" || { echo "$*: found: $found, wanted a bag" >&2; exit 1; }
  echo "$archive: passed in $((SECONDS - start)) s"
}

# require FILE...: the archive has these.
require() { ls "$@" >/dev/null || { echo "$archive: found no $*" >&2; exit 1; }; }

# check_macos PATTERN...: the headers of all programs, which ask for no newer macOS than 11, have these lines.
check_macos() {
  local program headers pattern
  for program in "$folder"/bin/*; do
    headers=$(llvm-objdump-14 --macho --private-headers "$program")
    for pattern in '^ *minos 11\.0$' "$@"; do
      grep -qE "$pattern" <<<"$headers" || { echo "$archive: $program: found no $pattern" >&2; exit 1; }
    done
  done
  echo "$archive: passed"
}

for archive in *.tar.gz *.zip; do
  [[ -e $archive ]] || continue
  folder=$work/${archive%.*}
  folder=${folder%.tar}
  case $archive in
    *.zip) unzip -q "$archive" -d "$work" ;;
    *) tar -xzf "$archive" -C "$work" ;;
  esac
  case $archive in
    *-web.zip) require "$folder"/{index.html,beit.js,beit.wasm,LICENSE,licences/emscripten.txt} ;;
    *) require "$folder"/bin/beit-{classify,embed,train-head,search,attention,mask,segment}* "$folder"/share/doc/beit/LICENSE ;;&
    *-linux-x86_64.tar.gz)
      cp "$image" "$folder"
      check chroot "$folder" /bin/beit-classify /bag.png
      ;;
    *-linux-aarch64.tar.gz) check qemu-aarch64 "$folder/bin/beit-classify" "$image" ;;
    # Apple's processors run nothing without a signature; the linker has put one there, in nobody's name.
    *-macos-aarch64.tar.gz) check_macos '^MH_MAGIC_64 +ARM64 ' '^ *cmd LC_CODE_SIGNATURE$' ;;
    *-macos-x86_64.tar.gz) check_macos '^MH_MAGIC_64 +X86_64 ' ;;
    *-windows-x86_64.zip)
      export WINEDEBUG=-all WINEPREFIX=$work/wine
      check wine "$folder/bin/beit-classify.exe" "$image"
      wineserver --wait  # until it writes no more into the folder that is removed at the end
      ;;
  esac
done

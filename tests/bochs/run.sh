#!/bin/bash
# run.sh PROCESSOR PROGRAM [VARIABLE=VALUE...] [ARGUMENT...]: runs a statically linked test program (BEIT_STATIC_TESTS)
# on a processor that Bochs emulates, with kernel.c as its operating system. Exits with 0 if the program does.
#   tests/bochs/run.sh sapphire_rapids build-release/tests/beit_kernels_tests
# Needs g++, make, xz-utils, curl, xorriso, isolinux, syslinux-common and seabios. Builds Bochs in build-bochs once.
set -euo pipefail
if [[ $# -lt 2 ]]; then
  echo "usage: tests/bochs/run.sh PROCESSOR PROGRAM [VARIABLE=VALUE...] [ARGUMENT...]" >&2
  exit 2
fi
processor=$1
program=$(realpath "$2")
shift 2
here=$(cd "$(dirname "$0")" && pwd)
build=$here/../../build-bochs
mkdir -p "$build"
build=$(cd "$build" && pwd)

# Debian's sources, compiled without the debugger of Debian's package, which halves the speed. Two faults of Bochs 3.0
# are mended: it takes the signed bytes of AMX's products for unsigned, and the upper half of what vcvtne2ps2bf16 converts
# from behind the register.
source=https://deb.debian.org/debian/pool/main/b/bochs/bochs_3.0+dfsg.orig.tar.xz
sha256=78f6c73d4a6472d5130a87ab9dc306d02c7c71ed8e25b3a8ef642e2a7acd282b
bochs=$build/bochs-3.0-mended-2
if [[ ! -x $bochs ]]; then
  rm -rf "$build/source" && mkdir "$build/source"
  curl -sSfL --retry 3 -o "$build/source.tar.xz" "$source"
  echo "$sha256  $build/source.tar.xz" | sha256sum --check --quiet
  tar -xJf "$build/source.tar.xz" -C "$build/source" --strip-components=1
  if ! (
    cd "$build/source" &&
      sed -i 's/Bit32s(\([xy]byte\[[0-3]\]\))/Bit32s(Bit8s(\1))/' cpu/avx/amx.cc &&
      sed -i 's/bfloat16(op1\.vmm32u(n))/bfloat16(op1.vmm32u(n - DWORD_ELEMENTS(len)))/' cpu/avx/avx512_bf16.cc &&
      ./configure --enable-cpu-level=6 --enable-x86-64 --enable-avx --enable-evex --enable-amx --enable-cet \
        --enable-uintr --enable-memtype --enable-protection-keys --enable-pci --enable-smp \
        --enable-all-optimizations --disable-plugins --disable-docbook --with-nogui CFLAGS="-O2 -w" CXXFLAGS="-O2 -w" &&
      make -j"$(nproc)" bochs
  ) >"$build/build.log" 2>&1; then
    tail -n 20 "$build/build.log" >&2
    exit 1
  fi
  mv "$build/source/bochs" "$bochs"
  rm -rf "$build/source" "$build/source.tar.xz"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/disc/isolinux"
gcc -std=c11 -O1 -Wall -Wextra -Werror -ffreestanding -fno-pic -fno-stack-protector -mno-red-zone -mgeneral-regs-only \
  -nostdlib -static -no-pie -Wl,-Ttext=0x100000,-e,start,--build-id=none,-N,--no-warn-rwx-segments \
  "$here/start.S" "$here/kernel.c" -o "$work/kernel"
objcopy -O elf32-i386 "$work/kernel" "$work/disc/kernel"
strip -o "$work/disc/program" "$program"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/{ldlinux,libcom32,mboot}.c32 "$work/disc/isolinux/"
printf 'default tests\nlabel tests\n kernel mboot.c32\n append /kernel --- /program %s\n' "$*" \
  >"$work/disc/isolinux/isolinux.cfg"
xorriso -as mkisofs -quiet -o "$work/disc.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
  -boot-load-size 4 -boot-info-table "$work/disc"

cat >"$work/bochsrc" <<END
cpu: model=$processor, count=1, ips=200000000, reset_on_triple_fault=0
memory: guest=1024, host=1024
romimage: file=/usr/share/seabios/bios.bin
vgaromimage: file=/usr/share/seabios/vgabios-stdvga.bin
ata0-master: type=cdrom, path=$work/disc.iso, status=inserted
boot: cdrom
display_library: nogui
port_e9_hack: enabled=1
log: $work/log
panic: action=fatal
END
# Bochs has a status of its own, whatever the program's.
{ timeout 1800 "$bochs" -q -f "$work/bochsrc" </dev/null 2>&1 || true; } | tee "$work/console"
if ! grep -q '^bochs: passed$' "$work/console"; then
  grep -s '>>PANIC<<' "$work/log" >&2 || true
  exit 1
fi

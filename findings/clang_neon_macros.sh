#!/bin/sh
# NEON's intrinsics should be functions, as Arm's specification writes them. In clang's arm_neon.h those that store or
# load several registers are macros, so a comma in braces splits their argument: code that g++ compiles is an error.
#
# `vst4q_u8(to, {{a, b, c, d}})` fails with "too many arguments provided to function-like macro invocation". With a
# variable for the braces, or with the type and parentheses around it, it compiles.
#
# Why it matters: kernels for 64-bit ARM that are only cross-compiled by g++ don't compile on Apple's machines.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet ziglang==0.17.1
export ZIG_GLOBAL_CACHE_DIR="$folder/cache" ZIG_LOCAL_CACHE_DIR="$folder/cache"

# compile BODY: whether zig's clang takes such a function.
compile() {
  printf '#include <arm_neon.h>\nvoid f(unsigned char* to, uint8x16_t a, uint8x16_t b) { %s }\n' "$1" >"$folder/f.cpp"
  if "$folder/venv/bin/python" -m ziglang c++ -target aarch64-linux-musl -c "$folder/f.cpp" \
    -o "$folder/f.o" 2>"$folder/errors"; then
    found=compiles
  else
    found=$(sed -n 's/.*error: //p' "$folder/errors" | head -n 1)
  fi
  printf '%-50s %s\n' "$1" "$found"
}

"$folder/venv/bin/python" -m ziglang c++ --version | head -n 1
compile 'vst4q_u8(to, {{a, b, a, b}});'
[ "$found" = "too many arguments provided to function-like macro invocation" ]
compile 'const uint8x16x4_t x{{a, b, a, b}}; vst4q_u8(to, x);'
[ "$found" = compiles ]
compile 'vst4q_u8(to, (uint8x16x4_t{{a, b, a, b}}));'
[ "$found" = compiles ]

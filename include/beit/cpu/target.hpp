// Attributes that let one function use an instruction set for which the rest of the program isn't compiled. Templates
// may have them; lambdas inside don't inherit them, so functions with an attribute contain none.
#pragma once

// GCC on Windows doesn't align the stack for vectors of 32 bytes and more (its bug 54412). So its assembler must be
// told to use moves that need no alignment: -Wa,-muse-unaligned-vector-move, which CMake's target adds together with
// this macro.
#if defined(_WIN32) && defined(__GNUC__) && !defined(__clang__) && !defined(BEIT_UNALIGNED_VECTOR_MOVES)
#define BEIT_X86_KERNELS 0
#elif (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#define BEIT_X86_KERNELS 1
#define BEIT_TARGET_AVX2 __attribute__((target("avx2,fma")))
#define BEIT_TARGET_AVX2_VNNI __attribute__((target("avx2,fma,avxvnni")))
#define BEIT_TARGET_AVX512 __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")))
#define BEIT_TARGET_AVX512_VNNI __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define BEIT_TARGET_AVX512_BF16 \
  __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16")))
#else
#define BEIT_X86_KERNELS 0
#endif

// Little-endian 64-bit ARM, which always has NEON.
#if defined(__aarch64__) && defined(__GNUC__) && defined(__ARM_NEON) && !defined(__AARCH64EB__)
#define BEIT_NEON_KERNELS 1
#if defined(__clang__)
#define BEIT_TARGET_NEON_DOT __attribute__((target("dotprod")))
#define BEIT_TARGET_NEON_MATRIX __attribute__((target("dotprod,i8mm,bf16")))
#else
#define BEIT_TARGET_NEON_DOT __attribute__((target("arch=armv8.2-a+dotprod")))
#define BEIT_TARGET_NEON_MATRIX __attribute__((target("arch=armv8.2-a+dotprod+i8mm+bf16")))
#endif
#else
#define BEIT_NEON_KERNELS 0
#endif

// WebAssembly has one level, because a module with vectors (-msimd128) doesn't load in engines without them.
#if defined(__wasm_simd128__)
#define BEIT_WASM_KERNELS 1
#else
#define BEIT_WASM_KERNELS 0
#endif

// Tile registers exist only in 64-bit mode, and Linux must be asked for them (cpu/tile_permission.hpp).
#if BEIT_X86_KERNELS && defined(__x86_64__) && defined(__linux__)
#define BEIT_AMX_KERNELS 1
#define BEIT_TARGET_AMX                                                           \
  __attribute__((                                                                 \
      target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16," \
             "amx-tile,amx-bf16,amx-int8")))
#else
#define BEIT_AMX_KERNELS 0
#endif

// These stand around intrinsics: GCC 12 warns of its own "undefined" registers in their headers and, without
// optimisation, of the expansions of their macros.
#if defined(__GNUC__) && !defined(__clang__)
#define BEIT_INTRINSICS_BEGIN                                                                \
  _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wmaybe-uninitialized\"") \
      _Pragma("GCC diagnostic ignored \"-Wuninitialized\"") _Pragma("GCC diagnostic ignored \"-Wsign-conversion\"")
#define BEIT_INTRINSICS_END _Pragma("GCC diagnostic pop")
#else
#define BEIT_INTRINSICS_BEGIN
#define BEIT_INTRINSICS_END
#endif

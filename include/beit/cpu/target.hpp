// Attributes that let one function use an instruction set which the rest of the program isn't compiled for.
// Templates may carry them; a lambda inside doesn't inherit them, so there are none.
#pragma once

// Not for GCC on Windows, which doesn't align the stack for vectors of 32 bytes and more.
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__) && !(defined(_WIN32) && !defined(__clang__))
#define BEIT_X86_KERNELS 1
#define BEIT_TARGET_AVX2 __attribute__((target("avx2,fma")))
#define BEIT_TARGET_AVX512 __attribute__((target("avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")))
#else
#define BEIT_X86_KERNELS 0
#endif

// Detects the abilities of this processor and its operating system, from CPUID and XCR0, or on ARM from the system.
#pragma once

#include <cstddef>

#include <beit/core/version.hpp>
#include <beit/cpu/target.hpp>

#if BEIT_X86_KERNELS
#include <cpuid.h>
#elif BEIT_NEON_KERNELS && defined(__linux__)
#include <sys/auxv.h>
#elif BEIT_NEON_KERNELS && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace beit::inline BEIT_ABI {

/// The instruction sets that may be used: the processor has them, and the system saves their registers.
struct CpuFeatures {
  bool avx2_fma = false;     ///< AVX2 and FMA.
  bool avx2_vnni = false;    ///< AVX2, FMA and AVX-VNNI.
  bool avx512 = false;       ///< AVX2, FMA and AVX-512 F, BW, DQ and VL.
  bool avx512_vnni = false;  ///< The AVX-512 above and VNNI.
  bool avx512_bf16 = false;  ///< The AVX-512 above, VNNI and BF16.
  bool amx = false;          ///< All of these and AMX's tiles of bfloat16 and int8; Linux must still permit their use.
  bool neon = false;         ///< 64-bit ARM.
  bool neon_dot = false;     ///< NEON with the dot product of bytes.
  bool neon_matrix = false;  ///< NEON with the dot product, I8MM and BF16.
  bool simd128 = false;      ///< WebAssembly's vectors.
};

#if BEIT_NEON_KERNELS && defined(__APPLE__)
namespace detail {
inline bool has_arm_feature(const char* name) {
  int there = 0;
  std::size_t size = sizeof(there);
  return sysctlbyname(name, &there, &size, nullptr, 0) == 0 && there != 0;
}
}  // namespace detail
#elif BEIT_NEON_KERNELS && defined(_WIN32)
namespace detail {
// Declared here rather than through <windows.h>, as in core/mapped_file.hpp. It returns false for features unknown to
// older versions of Windows.
extern "C" __declspec(dllimport) int __stdcall IsProcessorFeaturePresent(unsigned long);
}  // namespace detail
#endif

/// Asks the processor and the system.
inline CpuFeatures detect_cpu_features() {
  CpuFeatures features;
#if BEIT_X86_KERNELS
  constexpr unsigned osxsave = 1u << 27, fma = 1u << 12;                                         // leaf 1, ecx
  constexpr unsigned avx2 = 1u << 5, f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31;  // leaf 7, ebx
  constexpr unsigned vnni = 1u << 11;                                                            // leaf 7, ecx
  constexpr unsigned avx_vnni = 1u << 4, bf16 = 1u << 5;                                         // leaf 7.1, eax
  constexpr unsigned amx_bf16 = 1u << 22, amx_tile = 1u << 24, amx_int8 = 1u << 25;              // leaf 7, edx
  constexpr unsigned avx_state = 0x6, avx512_state = 0xE6, amx_state = 0x60000;                  // XCR0
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & osxsave) == 0 || (ecx & fma) == 0) return features;
  unsigned state = 0, high = 0;
  asm volatile("xgetbv" : "=a"(state), "=d"(high) : "c"(0));
  if ((state & avx_state) != avx_state || __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return features;
  features.avx2_fma = (ebx & avx2) != 0;
  constexpr unsigned all = f | dq | bw | vl;
  features.avx512 = features.avx2_fma && (ebx & all) == all && (state & avx512_state) == avx512_state;
  features.avx512_vnni = features.avx512 && (ecx & vnni) != 0;
  constexpr unsigned tiles = amx_tile | amx_bf16 | amx_int8;
  const bool has_tiles = (edx & tiles) == tiles && (state & amx_state) == amx_state;
  if (__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) == 0) return features;
  features.avx2_vnni = features.avx2_fma && (eax & avx_vnni) != 0;
  features.avx512_bf16 = features.avx512_vnni && (eax & bf16) != 0;
  features.amx = BEIT_AMX_KERNELS && features.avx512_bf16 && has_tiles;
#elif BEIT_NEON_KERNELS
  features.neon = true;
#if defined(__linux__)
  constexpr unsigned long dot_product = 1ul << 20;                    // HWCAP_ASIMDDP of <asm/hwcap.h>
  constexpr unsigned long i8mm_and_bf16 = (1ul << 13) | (1ul << 14);  // HWCAP2_I8MM, HWCAP2_BF16
  features.neon_dot = (getauxval(AT_HWCAP) & dot_product) != 0;
  features.neon_matrix = features.neon_dot && (getauxval(AT_HWCAP2) & i8mm_and_bf16) == i8mm_and_bf16;
#elif defined(__APPLE__)
  features.neon_dot = detail::has_arm_feature("hw.optional.arm.FEAT_DotProd");
  features.neon_matrix = features.neon_dot && detail::has_arm_feature("hw.optional.arm.FEAT_I8MM") &&
                         detail::has_arm_feature("hw.optional.arm.FEAT_BF16");
#elif defined(_WIN32)
  constexpr unsigned long dot_product = 43, i8mm = 66, bf16 = 68;  // PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE, ...
  features.neon_dot = detail::IsProcessorFeaturePresent(dot_product) != 0;
  features.neon_matrix =
      features.neon_dot && detail::IsProcessorFeaturePresent(i8mm) != 0 && detail::IsProcessorFeaturePresent(bf16) != 0;
#endif
#elif BEIT_WASM_KERNELS
  features.simd128 = true;
#endif
  return features;
}

}  // namespace beit::inline BEIT_ABI

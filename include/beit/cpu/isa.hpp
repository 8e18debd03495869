// The levels of kernels, and which of them runs.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/version.hpp>
#include <beit/cpu/features.hpp>
#include <beit/cpu/tile_permission.hpp>

namespace beit::inline BEIT_ABI {

/// A level of kernels, for each kind of processor from the slowest to the fastest. Each needs all that the ones before
/// it need, but for avx2_vnni: most processors with AVX-512 lack it, and most with it lack AVX-512.
enum class Isa {
  portable,     ///< Plain C++ for any processor, and the oracle of every other level.
  avx2,         ///< AVX2 and FMA.
  avx2_vnni,    ///< Those and AVX-VNNI: products of bytes.
  avx512,       ///< AVX2, FMA and AVX-512 F, BW, DQ and VL.
  avx512_vnni,  ///< Those and VNNI: products of bytes.
  avx512_bf16,  ///< Those and BF16: products of bfloat16.
  amx,          ///< Those and tiles of bfloat16 and int8.
  neon,         ///< 64-bit ARM.
  neon_dot,     ///< That and the dot product of bytes.
  neon_matrix,  ///< Those and I8MM and BF16: products of matrices of bytes and of bfloat16.
  simd128,      ///< WebAssembly's vectors.
};

/// The last one.
inline constexpr Isa highest_isa = Isa::simd128;

namespace detail {
/// What there is to know of a level beside its kernels (kernels/kernels.hpp).
struct Level {
  Isa isa;
  std::string_view name;
  bool CpuFeatures::*needs;  ///< Null: nothing.
  bool (*permit)();          ///< Asks the system for what it gives on request only; null: nothing.
};
inline constexpr Level levels[] = {{Isa::portable, "portable", nullptr, nullptr},
                                   {Isa::avx2, "avx2", &CpuFeatures::avx2_fma, nullptr},
                                   {Isa::avx2_vnni, "avx2_vnni", &CpuFeatures::avx2_vnni, nullptr},
                                   {Isa::avx512, "avx512", &CpuFeatures::avx512, nullptr},
                                   {Isa::avx512_vnni, "avx512_vnni", &CpuFeatures::avx512_vnni, nullptr},
                                   {Isa::avx512_bf16, "avx512_bf16", &CpuFeatures::avx512_bf16, nullptr},
                                   {Isa::amx, "amx", &CpuFeatures::amx, &request_tile_permission},
                                   {Isa::neon, "neon", &CpuFeatures::neon, nullptr},
                                   {Isa::neon_dot, "neon_dot", &CpuFeatures::neon_dot, nullptr},
                                   {Isa::neon_matrix, "neon_matrix", &CpuFeatures::neon_matrix, nullptr},
                                   {Isa::simd128, "simd128", &CpuFeatures::simd128, nullptr}};

inline const Level& level(Isa isa) { return levels[static_cast<std::size_t>(isa)]; }

inline bool has_isa(const CpuFeatures& features, Isa isa) {
  return level(isa).needs == nullptr || features.*level(isa).needs;
}

inline Isa best_isa(const CpuFeatures& features, Isa highest) {
  while (!has_isa(features, highest)) highest = static_cast<Isa>(static_cast<int>(highest) - 1);
  return highest;
}
}  // namespace detail

/// "portable", ...: what BEIT_ISA takes.
inline std::string_view isa_name(Isa isa) { return detail::level(isa).name; }

/// The level of that name; ConfigError with the names that exist otherwise.
BEIT_COLD inline Isa isa_from_name(std::string_view name) {
  std::string known;
  for (const detail::Level& level : detail::levels) {
    if (level.name == name) return level.isa;
    detail::append_item(known, level.name);
  }
  throw ConfigError(detail::concat({"BEIT_ISA: found '", name, "', wanted one of ", known}));
}

/// Whether this processor has the level.
inline bool has_isa(Isa isa) { return detail::has_isa(detect_cpu_features(), isa); }

/// The best level that this processor has, of those up to `highest`.
inline Isa best_isa(Isa highest = highest_isa) { return detail::best_isa(detect_cpu_features(), highest); }

/// Asks the system for what the level needs of it, for the whole process; false where it is refused. Before the level's
/// kernels run.
inline bool permit_isa(Isa isa) { return detail::level(isa).permit == nullptr || detail::level(isa).permit(); }

/// The best level that may be used: best_isa(), or the best up to the level that the environment's BEIT_ISA names; the
/// next one below where the system refuses it.
BEIT_COLD inline Isa select_isa() {
  const char* wanted = std::getenv("BEIT_ISA");
  Isa isa = wanted == nullptr || *wanted == '\0' ? best_isa() : best_isa(isa_from_name(wanted));
  while (!permit_isa(isa)) isa = best_isa(static_cast<Isa>(static_cast<int>(isa) - 1));
  return isa;
}

}  // namespace beit::inline BEIT_ABI

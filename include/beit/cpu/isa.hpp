// The levels of kernels, and which of them runs.
#pragma once

#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

#include <beit/core/error.hpp>
#include <beit/core/version.hpp>
#include <beit/cpu/features.hpp>
#include <beit/cpu/tile_permission.hpp>

namespace beit::inline BEIT_ABI {

/// A level of kernels, from the slowest to the fastest. Each needs all that the ones before it need, but for
/// avx2_vnni: most processors with AVX-512 lack it, and most with it lack AVX-512.
enum class Isa {
  portable,     ///< Plain C++ for any processor, and the oracle of every other level.
  avx2,         ///< AVX2 and FMA.
  avx2_vnni,    ///< Those and AVX-VNNI: products of bytes.
  avx512,       ///< AVX2, FMA and AVX-512 F, BW, DQ and VL.
  avx512_vnni,  ///< Those and VNNI: products of bytes.
  avx512_bf16,  ///< Those and BF16: products of bfloat16.
  amx,          ///< Those and tiles of bfloat16 and int8.
};

namespace detail {
inline constexpr std::array<std::string_view, 7> isa_names{"portable",    "avx2",        "avx2_vnni", "avx512",
                                                           "avx512_vnni", "avx512_bf16", "amx"};

inline bool has_isa(const CpuFeatures& features, Isa isa) {
  switch (isa) {
    case Isa::portable:
      return true;
    case Isa::avx2:
      return features.avx2_fma;
    case Isa::avx2_vnni:
      return features.avx2_vnni;
    case Isa::avx512:
      return features.avx512;
    case Isa::avx512_vnni:
      return features.avx512_vnni;
    case Isa::avx512_bf16:
      return features.avx512_bf16;
    case Isa::amx:
      return features.amx && request_tile_permission();
  }
  return false;
}

inline Isa best_isa(const CpuFeatures& features, Isa highest) {
  while (!has_isa(features, highest)) highest = static_cast<Isa>(static_cast<int>(highest) - 1);
  return highest;
}
}  // namespace detail

/// "portable", ...: what BEIT_ISA takes.
inline std::string_view isa_name(Isa isa) { return detail::isa_names[static_cast<std::size_t>(isa)]; }

/// The level of that name; ConfigError with the names that exist otherwise.
inline Isa isa_from_name(std::string_view name) {
  std::string known;
  for (std::size_t i = 0; i < detail::isa_names.size(); ++i) {
    if (detail::isa_names[i] == name) return static_cast<Isa>(i);
    known += (i == 0 ? "" : ", ") + std::string(detail::isa_names[i]);
  }
  throw ConfigError("BEIT_ISA: found '" + std::string(name) + "', wanted one of " + known);
}

/// Whether this processor has the level and the system permits its use.
inline bool has_isa(Isa isa) { return detail::has_isa(detect_cpu_features(), isa); }

/// The best level that this processor has and the system permits, of those up to `highest`.
inline Isa best_isa(Isa highest = Isa::amx) { return detail::best_isa(detect_cpu_features(), highest); }

/// best_isa(), or the best up to the level that the environment's BEIT_ISA names.
inline Isa select_isa() {
  const char* wanted = std::getenv("BEIT_ISA");
  return wanted == nullptr || *wanted == '\0' ? best_isa() : best_isa(isa_from_name(wanted));
}

}  // namespace beit::inline BEIT_ABI

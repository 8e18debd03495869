// The levels of kernels, and which of them runs.
#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <string_view>

#include <beit/core/error.hpp>
#include <beit/core/version.hpp>
#include <beit/cpu/features.hpp>
#include <beit/cpu/tile_permission.hpp>

namespace beit::inline BEIT_ABI {

/// A level of kernels; a later one needs more of the processor.
enum class Isa {
  portable,     ///< Plain C++ for any processor, and the oracle of every other level.
  avx2,         ///< AVX2 and FMA.
  avx512,       ///< AVX-512 F, BW, DQ and VL.
  avx512_vnni,  ///< Those and VNNI: products of bytes.
  avx512_bf16,  ///< Those and BF16: products of bfloat16.
  amx,          ///< Those and tiles of bfloat16 and int8.
};

namespace detail {
inline constexpr std::array<std::string_view, 6> isa_names{"portable",    "avx2",        "avx512",
                                                           "avx512_vnni", "avx512_bf16", "amx"};
}

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

/// The best level that this processor has and the system permits.
inline Isa best_isa() {
  const CpuFeatures features = detect_cpu_features();
  return features.amx && request_tile_permission() ? Isa::amx
         : features.avx512_bf16                    ? Isa::avx512_bf16
         : features.avx512_vnni                    ? Isa::avx512_vnni
         : features.avx512                         ? Isa::avx512
         : features.avx2_fma                       ? Isa::avx2
                                                   : Isa::portable;
}

/// best_isa(), or the lower level that the environment's BEIT_ISA names.
inline Isa select_isa() {
  const Isa best = best_isa();
  const char* wanted = std::getenv("BEIT_ISA");
  return wanted == nullptr || *wanted == '\0' ? best : std::min(best, isa_from_name(wanted));
}

}  // namespace beit::inline BEIT_ABI

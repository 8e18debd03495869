// The definitions of kernels.hpp: the tables of all levels.
#pragma once

#include <cstddef>
#include <iterator>

#include <beit/core/cold.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/version.hpp>
#include <beit/cpu/isa.hpp>
#include <beit/kernels/amx.hpp>
#include <beit/kernels/avx2.hpp>
#include <beit/kernels/avx2_vnni.hpp>
#include <beit/kernels/avx512.hpp>
#include <beit/kernels/avx512_bf16.hpp>
#include <beit/kernels/avx512_vnni.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/kernels/neon.hpp>
#include <beit/kernels/neon_dot.hpp>
#include <beit/kernels/neon_matrix.hpp>
#include <beit/kernels/portable.hpp>
#include <beit/kernels/simd128.hpp>
#include <beit/kernels/types.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The kernels of some levels, as tables made at compile time.
template <typename... LevelKernels>
struct LevelTables {
  static const Kernels& kernels(Isa isa) {
    static constexpr Kernels tables[] = {LevelKernels::table()...};
    return tables[position(isa)];
  }
  template <Precision precision>
  static const PrecisionKernels& precision_kernels(Isa isa) {
    static constexpr PrecisionKernels tables[] = {LevelKernels::template precision_kernels<precision>()...};
    return tables[position(isa)];
  }

  /// Whether these are the levels that `levels` says this build has.
  static constexpr bool are_those_compiled() {
    for (const Level& level : levels) {
      if (level.compiled != ((LevelKernels::table().isa == level.isa) || ...)) return false;
    }
    return true;
  }

 private:
  BEIT_COLD static std::size_t position(Isa isa) {
    constexpr Isa isas[] = {LevelKernels::table().isa...};
    for (std::size_t i = 0; i < std::size(isas); ++i) {
      if (isas[i] == isa) return i;
    }
    throw ArgumentError(detail::concat({"kernels: found level '", isa_name(isa), "', which this build doesn't have"}));
  }
};

#if BEIT_AMX_KERNELS
using AllLevels = LevelTables<Portable, Avx2, Avx2Vnni, Avx512, Avx512Vnni, Avx512Bf16, Amx>;
#elif BEIT_X86_KERNELS
using AllLevels = LevelTables<Portable, Avx2, Avx2Vnni, Avx512, Avx512Vnni, Avx512Bf16>;
#elif BEIT_NEON_KERNELS
using AllLevels = LevelTables<Portable, Neon, NeonDot, NeonMatrix>;
#elif BEIT_WASM_KERNELS
using AllLevels = LevelTables<Portable, Simd128>;
#else
using AllLevels = LevelTables<Portable>;
#endif

static_assert(AllLevels::are_those_compiled(), "these are other levels than the rows of beit::levels say");

BEIT_INLINE const Kernels& kernels_of(Isa isa) { return AllLevels::kernels(isa); }

template <Precision precision>
const PrecisionKernels& precision_kernels_of(Isa isa) {
  return AllLevels::precision_kernels<precision>(isa);
}

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

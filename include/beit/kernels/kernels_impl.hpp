// The tables of kernels of all levels.
#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>

#include <beit/core/compiled.hpp>
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

/// Some levels' kernels, as tables that are made by the compiler.
template <typename... Level>
struct LevelTables {
  static const Kernels& kernels(Isa isa) {
    static constexpr Kernels tables[] = {Level::table()...};
    return tables[index(isa)];
  }
  template <Precision precision>
  static const PrecisionKernels& precision_kernels(Isa isa) {
    static constexpr PrecisionKernels tables[] = {Level::template precision_kernels<precision>()...};
    return tables[index(isa)];
  }

 private:
  static std::ptrdiff_t index(Isa isa) {
    constexpr Isa levels[] = {Level::table().isa...};
    return std::find(std::begin(levels), std::end(levels), isa) - std::begin(levels);
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

BEIT_INLINE const Kernels& kernels_of(Isa isa) { return AllLevels::kernels(isa); }

template <Precision precision>
const PrecisionKernels& precision_kernels_of(Isa isa) {
  return AllLevels::precision_kernels<precision>(isa);
}

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

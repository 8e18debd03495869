// The tables of kernels of all levels.
#pragma once

#include <algorithm>
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

BEIT_INLINE const Kernels& kernels_of(Isa isa) {
#if BEIT_X86_KERNELS
  static constexpr Kernels tables[] = {
    Portable::table(),
    Avx2::table(),
    Avx2Vnni::table(),
    Avx512::table(),
    Avx512Vnni::table(),
    Avx512Bf16::table(),
#if BEIT_AMX_KERNELS
    Amx::table()
#endif
  };
#elif BEIT_NEON_KERNELS
  static constexpr Kernels tables[] = {Portable::table(), Neon::table(), NeonDot::table(), NeonMatrix::table()};
#elif BEIT_WASM_KERNELS
  static constexpr Kernels tables[] = {Portable::table(), Simd128::table()};
#else
  static constexpr Kernels tables[] = {Portable::table()};
#endif
  return *std::find_if(std::begin(tables), std::end(tables),
                       [&](const Kernels& kernels) { return kernels.isa == isa; });
}

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

// The table of kernels that this process runs.
#pragma once

#include <algorithm>
#include <iterator>

#include <beit/core/version.hpp>
#include <beit/cpu/isa.hpp>
#include <beit/kernels/amx.hpp>
#include <beit/kernels/avx2.hpp>
#include <beit/kernels/avx2_vnni.hpp>
#include <beit/kernels/avx512.hpp>
#include <beit/kernels/avx512_bf16.hpp>
#include <beit/kernels/avx512_vnni.hpp>
#include <beit/kernels/neon.hpp>
#include <beit/kernels/neon_dot.hpp>
#include <beit/kernels/portable.hpp>
#include <beit/kernels/simd128.hpp>
#include <beit/kernels/types.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The kernels of one level, which this processor must have and the system permit.
inline const Kernels& kernels_of(Isa isa) {
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
  static constexpr Kernels tables[] = {Portable::table(), Neon::table(), NeonDot::table()};
#elif BEIT_WASM_KERNELS
  static constexpr Kernels tables[] = {Portable::table(), Simd128::table()};
#else
  static constexpr Kernels tables[] = {Portable::table()};
#endif
  return *std::find_if(std::begin(tables), std::end(tables),
                       [&](const Kernels& kernels) { return kernels.isa == isa; });
}

}  // namespace kernels

/// The kernels that everything runs on: select_isa() at the first call, the same ever after.
/// ConfigError where the environment's BEIT_ISA names no level.
inline const kernels::Kernels& kernel_table() {
  static const kernels::Kernels& table = kernels::kernels_of(select_isa());
  return table;
}

}  // namespace beit::inline BEIT_ABI

// The table of kernels that this process runs.
#pragma once

#include <beit/core/compiled.hpp>
#include <beit/core/version.hpp>
#include <beit/cpu/isa.hpp>
#include <beit/kernels/types.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The kernels of one level, which this processor must have and the system permit.
BEIT_INLINE const Kernels& kernels_of(Isa isa);

}  // namespace kernels

/// The kernels that everything runs on: select_isa() at the first call, the same ever after.
/// ConfigError where the environment's BEIT_ISA names no level.
inline const kernels::Kernels& kernel_table() {
  static const kernels::Kernels& table = kernels::kernels_of(select_isa());
  return table;
}

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/kernels/kernels_impl.hpp>
#endif

// The tables of kernels, and the choice of the table that a model runs on.
#pragma once

#include <optional>
#include <string>

#include <beit/core/cold.hpp>
#include <beit/core/compiled.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/version.hpp>
#include <beit/cpu/isa.hpp>
#include <beit/kernels/types.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// Returns the kernels of one level. They run only if the processor has the level and the system permits it
/// (permit_isa). ArgumentError if this build doesn't have the level.
BEIT_INLINE const Kernels& kernels_of(Isa isa);

/// Returns the matrix product and attention of one level for one precision. Only precisions that a program names are
/// compiled into it. ArgumentError if this build doesn't have the level.
template <Precision precision>
const PrecisionKernels& precision_kernels_of(Isa isa);

}  // namespace kernels

using kernels::Kernels;

/// Returns the kernels of the level that select_isa() returns at the first call, the default of models. ConfigError if
/// the environment variable BEIT_ISA names no level of this build.
inline const Kernels& default_kernels() {
  static const Kernels& kernels = kernels::kernels_of(select_isa());
  return kernels;
}

/// Returns the kernels of a level, or default_kernels() if none is named. ArgumentError if this build or this processor
/// lacks the level, or the system refuses it.
BEIT_COLD inline const Kernels& choose_kernels(std::optional<Isa> isa) {
  if (!isa) return default_kernels();
  if (has_isa(*isa) && permit_isa(*isa)) return kernels::kernels_of(*isa);
  std::string known;
  for (const Level& level : levels) {
    if (has_isa(level.isa)) detail::append_item(known, level.name);
  }
  throw ArgumentError(
      detail::concat({"kernels: found level '", isa_name(*isa), "', wanted one of this processor's: ", known}));
}

}  // namespace beit::inline BEIT_ABI

#if BEIT_HAS_DEFINITIONS
#include <beit/kernels/kernels_impl.hpp>
#endif

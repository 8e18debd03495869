// The levels of kernels, and the choice of the one that runs.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

#include <beit/core/cold.hpp>
#include <beit/core/concat.hpp>
#include <beit/core/error.hpp>
#include <beit/core/version.hpp>
#include <beit/cpu/features.hpp>
#include <beit/cpu/target.hpp>
#include <beit/cpu/tile_permission.hpp>

namespace beit::inline BEIT_ABI {

/// A level of kernels, named by the instruction sets that it uses.
enum class Isa {
  portable,     ///< Plain C++ for any processor; every other level is compared with it in tests.
  avx2,         ///< AVX2 and FMA.
  avx2_vnni,    ///< AVX2, FMA and AVX-VNNI: products of bytes.
  avx512,       ///< AVX2, FMA and AVX-512 F, BW, DQ and VL.
  avx512_vnni,  ///< AVX-512 as above and VNNI: products of bytes.
  avx512_bf16,  ///< AVX-512 and VNNI as above and BF16: products of bfloat16.
  amx,          ///< All of these and AMX: tiles of bfloat16 and int8.
  neon,         ///< 64-bit ARM.
  neon_dot,     ///< NEON with the dot product of bytes.
  neon_matrix,  ///< NEON with the dot product, I8MM and BF16: matrix products of bytes and of bfloat16.
  simd128,      ///< WebAssembly's vectors.
};

/// Describes a level, apart from its kernels (kernels/kernels_impl.hpp).
struct Level {
  Isa isa;                   ///< Which level this is.
  std::string_view name;     ///< The name that BEIT_ISA and isa_from_name use.
  bool compiled;             ///< Whether this build has its kernels: a build has those of one family of processors.
  bool CpuFeatures::*needs;  ///< The feature that the processor must have; null if none.
  bool (*permit)();          ///< Requests permission from the system (AMX); null if none is needed.
  Isa falls_back_to;         ///< The level to use if this one can't be used; portable for itself.
};

/// Every level, in the order of Isa: within a family of processors, from the slowest to the fastest. This prints those
/// that can be used here:
///   for (const beit::Level& level : beit::levels) if (beit::has_isa(level.isa)) std::cout << level.name << '\n';
inline constexpr Level levels[] = {
    {Isa::portable, "portable", true, nullptr, nullptr, Isa::portable},
    {Isa::avx2, "avx2", BEIT_X86_KERNELS, &CpuFeatures::avx2_fma, nullptr, Isa::portable},
    {Isa::avx2_vnni, "avx2_vnni", BEIT_X86_KERNELS, &CpuFeatures::avx2_vnni, nullptr, Isa::avx2},
    // Not all processors with AVX-512 have AVX-VNNI, and not all with AVX-VNNI have AVX-512.
    {Isa::avx512, "avx512", BEIT_X86_KERNELS, &CpuFeatures::avx512, nullptr, Isa::avx2_vnni},
    {Isa::avx512_vnni, "avx512_vnni", BEIT_X86_KERNELS, &CpuFeatures::avx512_vnni, nullptr, Isa::avx512},
    {Isa::avx512_bf16, "avx512_bf16", BEIT_X86_KERNELS, &CpuFeatures::avx512_bf16, nullptr, Isa::avx512_vnni},
    {Isa::amx, "amx", BEIT_AMX_KERNELS, &CpuFeatures::amx, &request_tile_permission, Isa::avx512_bf16},
    {Isa::neon, "neon", BEIT_NEON_KERNELS, &CpuFeatures::neon, nullptr, Isa::portable},
    {Isa::neon_dot, "neon_dot", BEIT_NEON_KERNELS, &CpuFeatures::neon_dot, nullptr, Isa::neon},
    {Isa::neon_matrix, "neon_matrix", BEIT_NEON_KERNELS, &CpuFeatures::neon_matrix, nullptr, Isa::neon_dot},
    {Isa::simd128, "simd128", BEIT_WASM_KERNELS, &CpuFeatures::simd128, nullptr, Isa::portable}};

namespace detail {

/// Whether each row is at its level's index, and each level falls back to an earlier one.
constexpr bool levels_are_in_order() {
  for (std::size_t i = 0; i < std::size(levels); ++i) {
    if (levels[i].isa != static_cast<Isa>(i)) return false;
    if (i > 0 && levels[i].falls_back_to >= levels[i].isa) return false;
  }
  return true;
}
static_assert(levels_are_in_order());

constexpr const Level& level(Isa isa) { return levels[static_cast<std::size_t>(isa)]; }

inline bool has_isa(const CpuFeatures& features, Isa isa) {
  return level(isa).needs == nullptr || features.*level(isa).needs;
}

/// Returns `isa`, or the first level it falls back to that such a processor has.
inline Isa best_isa(const CpuFeatures& features, Isa isa) {
  while (!has_isa(features, isa)) isa = level(isa).falls_back_to;
  return isa;
}

/// The last level that this build has, which falls back to all others of its family.
constexpr Isa last_isa() {
  Isa last = Isa::portable;
  for (const Level& level : levels) {
    if (level.compiled) last = level.isa;
  }
  return last;
}

/// Returns the level of that name. Throws an Error, whose message begins with `where`, if this build has none.
template <typename Error>
BEIT_COLD Isa isa_from_name(std::string_view name, std::string_view where) {
  std::string known;
  for (const Level& level : levels) {
    if (!level.compiled) continue;
    if (level.name == name) return level.isa;
    append_item(known, level.name);
  }
  throw Error(concat({where, ": found '", name, "', wanted one of ", known}));
}

}  // namespace detail

/// The level's name: "portable", "avx2", ...
constexpr std::string_view isa_name(Isa isa) { return detail::level(isa).name; }

/// Returns the level of that name. ArgumentError, which lists the names, if this build has no such level: a build has
/// those of one family of processors, x86, ARM or WebAssembly.
inline Isa isa_from_name(std::string_view name) { return detail::isa_from_name<ArgumentError>(name, "level"); }

/// Whether this build and this processor have the level.
inline bool has_isa(Isa isa) { return detail::has_isa(detect_cpu_features(), isa); }

/// The best level that this processor has.
inline Isa best_isa() { return detail::best_isa(detect_cpu_features(), detail::last_isa()); }

/// Requests the system's permission to use the level, for the whole process. Returns false if it is refused. Call it
/// before the level's kernels run.
inline bool permit_isa(Isa isa) { return detail::level(isa).permit == nullptr || detail::level(isa).permit(); }

/// Returns the best level that may be used: best_isa(), or the level that the environment variable BEIT_ISA names. If
/// the processor lacks that level or the system refuses it, returns the level it falls back to: BEIT_ISA lowers the
/// choice and never raises it. ConfigError if BEIT_ISA names no level of this build.
BEIT_COLD inline Isa select_isa() {
  const char* const wanted = std::getenv("BEIT_ISA");
  const bool any = wanted == nullptr || *wanted == '\0';
  Isa isa = any ? detail::last_isa() : detail::isa_from_name<ConfigError>(wanted, "BEIT_ISA");
  const CpuFeatures features = detect_cpu_features();
  while (!detail::has_isa(features, isa) || !permit_isa(isa)) isa = detail::level(isa).falls_back_to;
  return isa;
}

}  // namespace beit::inline BEIT_ABI

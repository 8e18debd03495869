// The AMX level: products on tile registers in bfloat16 and in bytes, and in float by splitting.
//
// A float is exactly the sum of three bfloat16 parts, x = h + m + l. Six of the nine products of parts matter: the
// other three are below 2^-24 of the result. float-fast keeps two parts and three products: about 16 bits.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_AMX_KERNELS

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <beit/core/version.hpp>
#include <beit/kernels/amx_attention.hpp>
#include <beit/kernels/amx_gemm.hpp>
#include <beit/kernels/amx_tiles.hpp>
#include <beit/kernels/avx512_bf16.hpp>
#include <beit/kernels/types.hpp>

BEIT_INTRINSICS_BEGIN

namespace beit::inline BEIT_ABI {

namespace kernels {

/// Products of numbers that consist of 1, 2 or 3 bfloat16 parts.
template <int Parts>
struct BfloatParts {
  using Sum = float;
  using Stored = std::conditional_t<Parts == 1, std::uint16_t, float>;
  static constexpr Index parts = Parts, group = 2, slice = 32;
  /// Slices per chunk: at 16 to 24 KB, a chunk of weights fits into the nearest cache beside the tiles in use.
  static constexpr Index chunk = Parts == 1 ? 12 : Parts == 2 ? 6 : 4;
  static constexpr NumberFormat number_format = Parts == 1   ? NumberFormat::bfloat16
                                                : Parts == 2 ? NumberFormat::two_parts
                                                             : NumberFormat::none;

  /// Products ordered from small to large as far as consecutive ones share an operand.
  static constexpr Index product_count = Parts * (Parts + 1) / 2;
  static constexpr PartProduct products[] = {
      Parts == 3 ? PartProduct{0, 2, true, true} : PartProduct{0, Parts - 1, true, true},
      Parts == 3 ? PartProduct{0, 1, false, true} : PartProduct{0, 0, false, true},
      Parts == 3 ? PartProduct{1, 1, true, false} : PartProduct{1, 0, true, false},
      {1, 0, false, true},
      {2, 0, true, false},
      {0, 0, true, false}};

  template <typename Tiles, int C, int A, int B>
  BEIT_TARGET_AMX static void multiply(Tiles& tiles, TileRegister<C> c, TileRegister<A> a, TileRegister<B> b) {
    tiles.multiply_bfloat16(c, a, b);
  }

  /// Splits 32 floats into parts, which are stored `stride` bytes apart.
  BEIT_TARGET_AMX static void split(const float* x, std::byte* out, Index stride) {
    put(_mm512_loadu_ps(x), _mm512_loadu_ps(x + 16), out, stride);
  }
  BEIT_TARGET_AMX static void encode(const float* x, Index count, float, std::byte* out) {
    put(VectorAvx512::load(x, count), VectorAvx512::load(x + 16, count - 16), out, 1024);
  }

 private:
  BEIT_TARGET_AMX static void put(__m512 low, __m512 high, std::byte* out, Index stride) {
    for (int part = 0; part < Parts; ++part, out += stride) {
      const __m512i bits = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
      _mm512_storeu_si512(out, bits);
      if (part + 1 == Parts) break;
      low = _mm512_sub_ps(low, widened(_mm512_castsi512_si256(bits)));
      high = _mm512_sub_ps(high, widened(_mm512_extracti64x4_epi64(bits, 1)));
    }
  }
  BEIT_TARGET_AMX static __m512 widened(__m256i bits) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
};

/// Products of quantised numbers; a is unsigned, as in Avx512Vnni.
struct TileBytes {
  using Sum = std::int32_t;
  using Stored = std::int8_t;
  static constexpr Index parts = 1, group = 4, slice = 64, chunk = 12;
  static constexpr NumberFormat number_format = NumberFormat::int8;
  static constexpr Index product_count = 1;
  static constexpr PartProduct products[] = {{0, 0, true, true}};

  template <typename Tiles, int C, int A, int B>
  BEIT_TARGET_AMX static void multiply(Tiles& tiles, TileRegister<C> c, TileRegister<A> a, TileRegister<B> b) {
    tiles.multiply_bytes(c, a, b);
  }

  BEIT_TARGET_AMX static void encode(const float* x, Index count, float inverse, std::byte* out) {
    Avx512::quantise(x, count, slice, inverse, reinterpret_cast<std::uint8_t*>(out));
  }
};

/// The level's kernels, on the machine's tile registers or on the tests' software ones.
template <typename Tiles>
struct AmxLevel {
  static constexpr Kernels table() {
    return {Isa::amx, &Avx512::layer_norm, &Avx512::Strips::kernels, &Avx512::winograd};
  }

  template <Precision precision>
  static constexpr PrecisionKernels precision_kernels() {
    if constexpr (precision == Precision::float32) {
      return {TileGemm<Tiles, BfloatParts<3>>::kernel(), Avx512::precision_kernels<precision>().attention};
    } else if constexpr (precision == Precision::float_fast) {
      return {TileGemm<Tiles, BfloatParts<2>>::kernel(), Avx512::precision_kernels<precision>().attention};
    } else {
      return {TileGemm<Tiles, StepFor<precision, void, BfloatParts<1>, TileBytes>>::kernel(),
              TileAttention<Tiles>::kernel()};
    }
  }
};

using Amx = AmxLevel<Tiles>;

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

BEIT_INTRINSICS_END

#endif  // BEIT_AMX_KERNELS

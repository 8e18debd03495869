// Packing of weights, keys and values: rows become panels in which they lie side by side.
//
// A panel holds groups of consecutive numbers along k, 2, 4 or 8 bytes each: the first group of each of NR rows, then
// the second of each, and so on. It is made of strips: 8 rows, of which 64 bytes each, as stored, are moved at a time.
// Every other implementation of Packing agrees with the plain loops here to the bit.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <beit/core/bit_cast.hpp>
#include <beit/core/version.hpp>
#include <beit/kernels/types.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The size of a strip: the rows that are packed at a time, and the bytes of each.
inline constexpr Index packed_strip_rows = 8, packed_strip_bytes = 64;

/// The largest magnitude of a quantised number.
inline constexpr float int8_limit = 127;

/// Rounds to the nearest integer, ties to even. Uses a conversion instruction: the trick of adding a magic constant
/// would be contracted into an FMA with the product that computed x (-ffp-contract), and would round differently.
inline std::int32_t round_to_int(float x) {
#if defined(__SSE2__)
  return _mm_cvtss_si32(_mm_set_ss(x));
#else
  return static_cast<std::int32_t>(std::nearbyint(x));
#endif
}

/// 1 / scale of a row of activations whose largest magnitude is `largest`; scale = largest / 127.
inline float inverse_int8_scale(float largest) { return largest > 1e-30f ? int8_limit / largest : 0; }

/// The scale of a column of weights: largest / 127, rounded up to 16 bits, so that an integer times the scale is exact
/// and quantising the product again restores both. weights_tools/convert.py computes the same scale.
inline float int8_weight_scale(float largest) {
  return detail::bit_cast<float>((detail::bit_cast<std::uint32_t>(largest / int8_limit) + 0xFF) & ~0xFFu);
}

struct PortablePacking {
  /// Puts 32 bytes of 8 rows, in_stride bytes apart, side by side: out (32 / group_bytes, 8), rows out_stride bytes
  /// apart.
  template <Index group_bytes>
  static void transpose(const std::byte* in, Index in_stride, std::byte* out, Index out_stride) {
    for (Index i = 0; i < packed_strip_rows; ++i) {
      for (Index j = 0; j < 32 / group_bytes; ++j) {
        std::memcpy(out + j * out_stride + i * group_bytes, in + i * in_stride + j * group_bytes, group_bytes);
      }
    }
  }

  /// Puts the first `groups` groups of MR rows, in_stride bytes apart, side by side: out (groups, MR) of group_bytes
  /// each.
  template <Index MR, Index group_bytes>
  static void interleave(const std::byte* in, Index in_stride, Index groups, std::byte* out) {
    for (Index i = 0; i < groups; ++i) {
      for (Index r = 0; r < MR; ++r, out += group_bytes) {
        std::memcpy(out, in + r * in_stride + i * group_bytes, group_bytes);
      }
    }
  }

  /// Puts 16 numbers of G rows side by side: out (16, G).
  template <Index G>
  static void zip(const Array<const std::uint16_t*, G>& rows, std::uint16_t* out) {
    for (Index i = 0; i < 16; ++i) {
      for (Index g = 0; g < G; ++g) *out++ = rows[g][i];
    }
  }
};

/// Puts the first `groups` groups of each of 8 rows of 64 bytes, in_stride bytes apart, side by side: out (groups, 8),
/// rows out_stride bytes apart.
template <typename Packing, Index group_bytes>
void interleave(const std::byte* in, Index in_stride, Index groups, std::byte* out, Index out_stride) {
  constexpr Index whole = packed_strip_bytes / group_bytes, row_bytes = packed_strip_rows * group_bytes;
  if (groups == whole) {
    Packing::template transpose<group_bytes>(in, in_stride, out, out_stride);
    Packing::template transpose<group_bytes>(in + 32, in_stride, out + whole / 2 * out_stride, out_stride);
    return;
  }
  alignas(64) Array<std::byte, whole * row_bytes> rows;
  interleave<Packing, group_bytes>(in, in_stride, whole, rows, row_bytes);
  for (Index i = 0; i < groups; ++i) std::memcpy(out + i * out_stride, rows + i * row_bytes, row_bytes);
}

/// Packs x (n, d), float or bfloat16, rows ld apart, into panels of NR rows with groups of G along d:
///   panel p: out[((i / G) * NR + j) * G + i % G] = x[(p * NR + j) * ld + i], zero from d to depth.
template <typename Packing, Index G, typename T>
void pack_rows(const T* x, Index ld, Index n, Index d, Index depth, Index NR, T* out) {
  constexpr Index size = static_cast<Index>(sizeof(T)), K = packed_strip_bytes / size;
  for (Index panel = 0; panel < n; panel += NR) {
    for (Index begin = 0; begin < depth; begin += K) {
      const Index groups = std::min(K, depth - begin) / G;
      for (Index j = 0; j < NR; j += packed_strip_rows) {
        const T* from = x + (panel + j) * ld + begin;
        Index stride = ld;
        alignas(64) Array<Array<T, K>, packed_strip_rows> strip;
        if (begin + K > d || panel + j + packed_strip_rows > n) {
          std::fill_n(strip[0], packed_strip_rows * K, T{});
          for (Index i = 0; i < std::min(packed_strip_rows, n - panel - j); ++i) {
            std::copy_n(from + i * ld, std::min(K, d - begin), strip[i]);
          }
          from = strip[0];
          stride = K;
        }
        interleave<Packing, G * size>(reinterpret_cast<const std::byte*>(from), stride * size, groups,
                                      reinterpret_cast<std::byte*>(out + j * G), NR * G * size);
      }
      out += groups * NR * G;
    }
  }
}

/// Packs x (n, d), rows ld apart, into panels of NR columns with groups of G along n:
///   panel p: out[((i / G) * NR + j) * G + i % G] = x[i * ld + p * NR + j], zero from n to depth.
template <typename Packing, Index NR, Index G, typename T>
void pack_columns(const T* x, Index ld, Index n, Index d, Index depth, T* out) {
  for (Index panel = 0; panel < d; panel += NR) {
    const Index columns = std::min(NR, d - panel);
    for (Index i = 0; i < depth; i += G, out += NR * G) {
      Array<const T*, G> rows;
      Array<Array<T, NR>, G> padded;
      for (Index g = 0; g < G; ++g) {
        rows[g] = x + (i + g) * ld + panel;
        if (columns == NR && i + g < n) continue;
        std::fill_n(padded[g], NR, T{});
        if (i + g < n) std::copy_n(rows[g], columns, padded[g]);
        rows[g] = padded[g];
      }
      if constexpr (G == 1) {
        std::copy_n(rows[0], NR, out);
      } else {
        for (Index j = 0; j < NR; j += 16) {
          Packing::template zip<G>(rows, out + G * j);
          for (const T*& row : rows) row += 16;
        }
      }
    }
  }
}

/// Encodes the NR columns of weights of a panel as numbers of type Stored, by the Level's arithmetic. Integers have one
/// scale per column.
template <typename Level, typename Stored, Index NR>
struct PanelEncoder {
  static constexpr Index strip = packed_strip_bytes / static_cast<Index>(sizeof(Stored));  // numbers per strip

  /// `columns` is (count, k).
  PanelEncoder(const float* columns, Index count, Index k) {
    if constexpr (std::is_same_v<Stored, std::int8_t>) {
      for (Index j = 0; j < count; ++j) {
        scale[j] = int8_weight_scale(Level::largest_magnitude(columns + j * k, k));
        inverse[j] = scale[j] > 1e-30f ? 1 / scale[j] : 0;
      }
    }
  }

  /// Encodes the next `count` numbers of column j, at most a strip's, and zeros after them.
  void encode(const float* x, Index count, Index j, Stored* out) {
    Array<float, strip> padded;
    if (count < strip) {
      std::fill(std::copy_n(x, count, padded), padded + strip, 0.0f);
      x = padded;
    }
    if constexpr (std::is_same_v<Stored, float>) {
      std::copy_n(x, strip, out);
    } else if constexpr (std::is_same_v<Stored, std::int8_t>) {
      sum[j] += Level::template quantise_weights<strip>(x, inverse[j], out);
    } else {
      Level::template round_weights<strip>(x, out);
    }
  }

  /// Writes the scales, and the offsets if a is unsigned, to the panel's tail.
  void store_scales(bool is_unsigned, std::byte* tail) {
    for (std::int32_t& offset : sum) offset *= is_unsigned ? 128 : 0;
    std::memcpy(tail, scale, sizeof(scale));
    std::memcpy(tail + sizeof(scale), sum, sizeof(sum));
  }

 private:
  static constexpr Index scales = std::is_same_v<Stored, std::int8_t> ? NR : 1;
  Array<float, scales> scale = {}, inverse = {};
  Array<std::int32_t, scales> sum = {};
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

// What packing weights, keys and values has in common: many rows become one panel in which they lie side by side.
//
// A panel holds groups of neighbours along k, 2, 4 or 8 bytes together, of NR rows one after the other. It is made of
// strips of 8 rows, 64 bytes of each as they will be stored at a time. The plain loops here are what every other form
// of Packing agrees with to the bit.
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
#include <beit/core/half.hpp>
#include <beit/core/version.hpp>
#include <beit/kernels/types.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// Rows that are packed at a time, and bytes of each.
inline constexpr Index packed_strip_rows = 8, packed_strip_bytes = 64;

/// Largest magnitude of a quantised number.
inline constexpr float int8_limit = 127;

/// The nearest integer, ties to even. By an instruction that takes x as it was rounded: arithmetic that begins with an
/// addition would be joined with the product that x often is (-ffp-contract), and round otherwise.
inline std::int32_t round_to_int(float x) {
#if defined(__SSE2__)
  return _mm_cvtss_si32(_mm_set_ss(x));
#else
  return static_cast<std::int32_t>(std::nearbyint(x));
#endif
}

/// 1 / scale of a row of activations whose largest magnitude is this, for scale = largest / 127.
inline float inverse_int8_scale(float largest) { return largest > 1e-30f ? int8_limit / largest : 0; }

/// The scale of a column of weights: largest / 127, rounded up to 16 bits, so that an integer times the scale is exact
/// and quantising that again gives both back. weights_tools/convert.py makes the same.
inline float int8_weight_scale(float largest) {
  return detail::bit_cast<float>((detail::bit_cast<std::uint32_t>(largest / int8_limit) + 0xFF) & ~0xFFu);
}

struct PortablePacking {
  /// 32 bytes of 8 rows, in_stride bytes apart, side by side: out (32 / group_bytes, 8), rows out_stride bytes apart.
  template <Index group_bytes>
  static void transpose(const std::byte* in, Index in_stride, std::byte* out, Index out_stride) {
    for (Index i = 0; i < packed_strip_rows; ++i) {
      for (Index j = 0; j < 32 / group_bytes; ++j) {
        std::memcpy(out + j * out_stride + i * group_bytes, in + i * in_stride + j * group_bytes, group_bytes);
      }
    }
  }

  /// The first `groups` groups of group_bytes of MR rows, in_stride bytes apart, side by side: out (groups, MR).
  template <Index MR, Index group_bytes>
  static void interleave(const std::byte* in, Index in_stride, Index groups, std::byte* out) {
    for (Index i = 0; i < groups; ++i) {
      for (Index r = 0; r < MR; ++r, out += group_bytes) {
        std::memcpy(out, in + r * in_stride + i * group_bytes, group_bytes);
      }
    }
  }

  /// max |x| of k numbers.
  static float largest_magnitude(const float* x, Index k) {
    float largest = 0;
    for (Index i = 0; i < k; ++i) largest = std::max(largest, std::abs(x[i]));
    return largest;
  }

  /// 64 numbers, times `inverse`, as integers; returns their sum.
  static std::int32_t quantise(const float* x, float inverse, std::int8_t* out) {
    std::int32_t sum = 0;
    for (Index i = 0; i < 64; ++i) {
      const std::int32_t q = round_to_int(x[i] * inverse);
      out[i] = static_cast<std::int8_t>(q);
      sum += q;
    }
    return sum;
  }

  /// 32 numbers, rounded.
  static void round(const float* x, std::uint16_t* out) {
    for (Index i = 0; i < 32; ++i) out[i] = round_to_bfloat16(x[i]);
  }

  /// out (16, G): 16 numbers of G rows side by side.
  template <Index G>
  static void zip(const Array<const std::uint16_t*, G>& rows, std::uint16_t* out) {
    for (Index i = 0; i < 16; ++i) {
      for (Index g = 0; g < G; ++g) *out++ = rows[g][i];
    }
  }
};

/// The first `groups` groups of each of 8 rows of 64 bytes, in_stride bytes apart, side by side: out (groups, 8), rows
/// out_stride bytes apart.
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

/// x (n, d), float or bfloat16, rows ld apart, to panels of NR rows with groups of G along d:
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

/// x (n, d), rows ld apart, to panels of NR columns with groups of G along n:
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

/// How a panel's NR columns of weights become numbers of the type Stored. Integers have a scale a column.
template <typename Packing, typename Stored, Index NR>
struct PanelEncoder {
  static constexpr Index strip = packed_strip_bytes / static_cast<Index>(sizeof(Stored));  // numbers

  /// columns (count, k).
  PanelEncoder(const float* columns, Index count, Index k) {
    if constexpr (std::is_same_v<Stored, std::int8_t>) {
      for (Index j = 0; j < count; ++j) {
        scale[j] = int8_weight_scale(Packing::largest_magnitude(columns + j * k, k));
        inverse[j] = scale[j] > 1e-30f ? 1 / scale[j] : 0;
      }
    }
  }

  /// The next `count` numbers of column j, at most a strip's, as they are stored; zeros after them.
  void encode(const float* x, Index count, Index j, Stored* out) {
    Array<float, strip> padded;
    if (count < strip) {
      std::fill(std::copy_n(x, count, padded), padded + strip, 0.0f);
      x = padded;
    }
    if constexpr (std::is_same_v<Stored, float>) {
      std::copy_n(x, strip, out);
    } else if constexpr (std::is_same_v<Stored, std::int8_t>) {
      sum[j] += Packing::quantise(x, inverse[j], out);
    } else {
      Packing::round(x, out);
    }
  }

  /// Scales, and offsets where a is unsigned, to the panel's tail.
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

// The packed product, written once for every level and precision over small primitives.
//
// Packing: w (n, k) row-major becomes panels of NR columns of the result, zero-padded, in groups of G neighbours
// along k (as many as one instruction multiplies and adds in a lane: 1 float, 2 of 16 bits, 4 of 8),
//   panel p: stored[((i / G) * NR + j) * G + i % G] = w[(p * NR + j) * k + i],  i < depth(k),
// which is the order in which the inner loop reads it (the "B panel" of Goto's algorithm, as in BLIS; the groups are
// what oneDNN calls VNNI layout). Quantised panels go on with NR scales and NR offsets (int32).
// a is not packed: its rows are contiguous along k already, and the inner loop broadcasts a group from MR of them.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <beit/core/half.hpp>
#include <beit/core/version.hpp>
#include <beit/kernels/packing.hpp>
#include <beit/kernels/types.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// 1 / scale of a row of activations whose largest magnitude is this, for scale = largest / 127.
inline float inverse_int8_scale(float largest) { return largest > 1e-30f ? int8_limit / largest : 0; }

/// Asks for [from, to) in a cache beyond the first, where the processor can be asked.
inline void prefetch([[maybe_unused]] const std::byte* from, [[maybe_unused]] const std::byte* to) {
#if defined(__GNUC__)
  for (; from < to; from += 64) __builtin_prefetch(from, 0, 2);
#endif
}

/// Level::finish of a tile with fewer than NR columns, by way of a whole one.
template <typename Level, Index MR, Index NR>
void finish_part(const float* sum, const float* bias, const float* scale, Epilogue epilogue, Index rows, Index columns,
                 Form form, void* out, Index ldo) {
  float whole_bias[NR] = {}, whole_scale[NR] = {};
  alignas(64) std::byte whole_out[MR * NR * sizeof(float)] = {};
  if (bias != nullptr) std::copy_n(bias, columns, whole_bias);
  if (scale != nullptr) std::copy_n(scale, columns, whole_scale);
  const auto copy = [&](const void* from, Index from_row, void* to, Index to_row) {
    const Index element = form_bytes(form);
    for (Index i = 0; i < rows; ++i) {
      std::memcpy(static_cast<std::byte*>(to) + i * to_row * element,
                  static_cast<const std::byte*>(from) + i * from_row * element,
                  static_cast<std::size_t>(columns * element));
    }
  };
  if (epilogue == Epilogue::bias_residual) copy(out, ldo, whole_out, NR);
  Level::template finish<MR, NR>(sum, bias == nullptr ? nullptr : whole_bias, scale == nullptr ? nullptr : whole_scale,
                                 epilogue, rows, NR, form, whole_out, NR);
  copy(whole_out, NR, out, ldo);
}

/// The driver over
///   Level::Packing: see kernels/packing.hpp;
///   Level::finish<MR, NR>(sum, bias, scale, epilogue, rows, columns, form, out, ldo): the epilogue of one tile of
///     sums, of which `rows` and `columns` exist;
/// and a Product, which has the constants MR x NR (the tile), group, chunk (groups of k at a time) and form, and
///   A, Stored, Panel, Sum: elements of a, of a packed panel in memory, of one that tile reads, and of sums;
///   widen(in, count, out): Stored to Panel, where they differ;
///   tile(a, lda, rows, panel, groups, sum): sum (MR, NR) += a (rows, groups * group) x panel; rows <= MR, and the
///     rows of sum beyond `rows` may hold anything;
///   dequantise(sum, rows, row_scale, column_scale, offset): sum (rows, NR) of int32 becomes, in place, floats
///     (sum - offset) * row_scale * column_scale; where Sum is int32;
///   encode_row(x, k, depth, out, scale): a row of floats as A; where A isn't float.
template <typename Level, typename Product>
struct PackedGemm {
  using A = typename Product::A;
  using Stored = typename Product::Stored;
  using Panel = typename Product::Panel;
  using Sum = typename Product::Sum;
  static constexpr Index MR = Product::MR, NR = Product::NR, group = Product::group;
  static constexpr bool quantised = std::is_same_v<Sum, std::int32_t>;
  static constexpr bool widened = !std::is_same_v<Stored, Panel>;
  // All tokens of one image at 224 pixels: while they pass by, a weight is read once.
  static constexpr Index row_block = (197 + MR - 1) / MR * MR;

  static constexpr Index groups(Index k) { return (k + group - 1) / group; }
  /// Bytes of a panel's elements, in whole cache lines.
  static constexpr Index element_bytes(Index k) {
    return (groups(k) * group * NR * static_cast<Index>(sizeof(Stored)) + 63) / 64 * 64;
  }
  static Index panel_bytes(Index k) {
    return element_bytes(k) +
           (quantised ? (NR * static_cast<Index>(sizeof(float) + sizeof(std::int32_t)) + 63) / 64 * 64 : 0);
  }

  static void pack(const float* w, Index n, Index k, std::byte* packed) {
    using Packing = typename Level::Packing;
    using Encoder = PanelEncoder<Packing, Stored, NR>;
    constexpr Index K = Encoder::strip, group_bytes = group * static_cast<Index>(sizeof(Stored));
    for (Index p = 0; p < panels(n, NR); ++p, packed += panel_bytes(k)) {
      const float* columns = w + p * NR * k;
      const Index count = std::min(NR, n - p * NR);
      Encoder encoder(columns, count, k);
      std::byte* to = packed;
      for (Index begin = 0; begin < k; begin += K) {
        const Index depth = std::min(K, k - begin);
        for (Index j = 0; j < NR; j += strip_rows) {
          alignas(64) Stored strip[strip_rows][K] = {};
          const std::byte* rows = reinterpret_cast<const std::byte*>(strip);
          Index stride = strip_bytes;
          const float* column = columns + j * k + begin;
          if (std::is_same_v<Stored, float> && depth == K && j + strip_rows <= count) {
            rows = reinterpret_cast<const std::byte*>(column);  // as they are
            stride = k * static_cast<Index>(sizeof(float));
          } else {
            for (Index i = 0; i < std::min(strip_rows, count - j); ++i) {
              encoder.encode(column + i * k, depth, j + i, strip[i]);
            }
          }
          interleave<Packing, group_bytes>(rows, stride, groups(depth), to + j * group_bytes, NR * group_bytes);
        }
        to += groups(depth) * NR * group_bytes;
      }
      std::fill(to, packed + element_bytes(k), std::byte{0});
      if constexpr (quantised) encoder.store_scales(Product::form, packed + element_bytes(k));
    }
  }

  static void encode(const float* x, Index ldx, Index rows, Index k, void* out, Index ldo, float* scale) {
    if constexpr (!std::is_same_v<A, float>) {
      for (Index row = 0; row < rows; ++row) {
        Product::encode_row(x + row * ldx, k, groups(k) * group, static_cast<A*>(out) + row * ldo, scale + row);
      }
    }
  }

  static void run(const Gemm& g, Index row0, Index row1, Index column0, Index column1) {
    // A chunk of a panel stays in the nearest cache while the rows of a block pass by, and what comes after it is
    // fetched from memory meanwhile. Summing in chunks also keeps rounding errors from growing with k.
    constexpr Index chunk = Product::chunk;
    alignas(64) Sum sums[row_block * NR];
    alignas(64) Panel wide[widened ? chunk * group * NR : 1];
    const A* a = static_cast<const A*>(g.a);
    if (row0 >= row1) return;
    const Index tiles = (row1 - row0 + MR - 1) / MR;
    const std::byte* const packed_end = g.packed + panels(column1, NR) * panel_bytes(g.k);
    for (Index column = column0; column < column1; column += NR) {
      const std::byte* packed = g.packed + column / NR * panel_bytes(g.k);
      const Stored* panel = reinterpret_cast<const Stored*>(packed);
      std::fill_n(sums, tiles * MR * NR, Sum{});
      for (Index i = 0; i < groups(g.k); i += chunk) {
        const Index count = std::min(chunk, groups(g.k) - i);
        const Panel* part;
        if constexpr (widened) {
          Product::widen(panel + i * group * NR, count * group * NR, wide);
          part = wide;
        } else {
          part = panel + i * group * NR;
        }
        const Index next_count = std::min(chunk, i + count < groups(g.k) ? groups(g.k) - i - count : groups(g.k));
        const Index share = next_count * group * NR * static_cast<Index>(sizeof(Stored)) / tiles + 1;
        const std::byte* next = reinterpret_cast<const std::byte*>(panel + (i + count) * group * NR);
        for (Index row = row0; row < row1; row += MR) {
          const std::byte* const begin = next;
          next += std::min<Index>(share, packed_end - next);
          prefetch(begin, next);
          Product::tile(a + row * g.lda + i * group, g.lda, std::min(MR, row1 - row), part, count,
                        sums + (row - row0) * NR);
        }
      }
      const Index columns = std::min(NR, g.n - column);
      const float* bias = g.bias == nullptr ? nullptr : g.bias + column;
      const float* scale = g.scale == nullptr ? nullptr : g.scale + column;
      for (Index row = row0; row < row1; row += MR) {
        const Index rows = std::min(MR, row1 - row);
        Sum* sum = sums + (row - row0) * NR;
        if constexpr (quantised) {
          const std::byte* tail = packed + element_bytes(g.k);
          Product::dequantise(sum, rows, g.a_scale + row, reinterpret_cast<const float*>(tail),
                              reinterpret_cast<const std::int32_t*>(tail) + NR);
        }
        std::byte* out = static_cast<std::byte*>(g.out) + (row * g.ldo + column) * form_bytes(g.out_form);
        Level::template finish<MR, NR>(reinterpret_cast<const float*>(sum), bias, scale, g.epilogue, rows, columns,
                                       g.out_form, out, g.ldo);
        if (g.out_padding > 0 && column + NR >= g.n) {
          for (Index i = 0; i < rows; ++i) {
            std::byte* end = out + (i * g.ldo + columns) * form_bytes(g.out_form);
            std::fill_n(end, g.out_padding * form_bytes(g.out_form), std::byte{0});
          }
        }
      }
    }
  }

  static constexpr GemmKernel kernel() {
    return {Product::form, group, MR, row_block, NR, &panel_bytes, &pack, std::is_same_v<A, float> ? nullptr : &encode,
            &run};
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

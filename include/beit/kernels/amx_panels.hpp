// The layout of weights in panels, as products on AMX's tile registers read them.
//
// Packing: panels of 32 columns of the result in groups of G consecutive numbers along k, padded to slices of k as deep
// as a tile's row of 64 bytes: panel p is
//   stored[((i / G) * 32 + j) * G + i % G] = w[(p * 32 + j) * k + i]
// with G = 2 for bfloat16 and G = 4 for bytes, followed by 32 scales and offsets for bytes. The weights of float and
// float-fast are stored as floats, G = 2, and split chunk by chunk, which reads 4 bytes per weight from memory instead
// of 6.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_AMX_KERNELS

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <beit/core/version.hpp>
#include <beit/kernels/activations.hpp>
#include <beit/kernels/avx512.hpp>
#include <beit/kernels/packing.hpp>
#include <beit/kernels/packing_avx2.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The panels of a Product of kernels/amx.hpp.
template <typename Product>
struct TilePanels {
  using Stored = typename Product::Stored;
  static constexpr Index NR = 32, slice = Product::slice, parts = Product::parts;
  static constexpr bool quantised = std::is_same_v<Stored, std::int8_t>;
  /// True if weights are stored as floats and split as they are fetched.
  static constexpr bool splits = parts > 1;
  /// A slice of a panel as it is multiplied: for each part two tiles side by side, 16 rows of 2 x 64 bytes.
  static constexpr Index row_bytes = 128, tile_bytes = 16 * row_bytes;
  static constexpr Index stored_step = slice * NR * static_cast<Index>(sizeof(Stored));  // bytes of a slice in memory

  static constexpr Index slices(Index k) { return detail::ceil_div(k, slice); }
  static Index panel_bytes(Index k) { return slices(k) * stored_step + (quantised ? NR * 8 : 0); }

  static void pack(const float* w, Index n, Index k, std::byte* packed) {
    using Encoder = PanelEncoder<Avx512, Stored, NR>;
    constexpr Index K = Encoder::strip, group_bytes = Product::group * static_cast<Index>(sizeof(Stored));
    for (Index p = 0; p < detail::ceil_div(n, NR); ++p, packed += panel_bytes(k)) {
      const float* columns = w + p * NR * k;
      const Index count = std::min(NR, n - p * NR);
      Encoder encoder(columns, count, k);
      std::byte* to = packed;
      for (Index begin = 0; begin < slices(k) * slice; begin += K, to += K / Product::group * NR * group_bytes) {
        for (Index j = 0; j < NR; j += packed_strip_rows) {
          alignas(64) Array<Array<Stored, K>, packed_strip_rows> strip = {};
          const float* column = columns + j * k + begin;
          for (Index i = 0; begin < k && i < std::min(packed_strip_rows, count - j); ++i, column += k) {
            encoder.encode(column, std::min(K, k - begin), j + i, strip[i]);
          }
          interleave<Avx2Packing, group_bytes>(reinterpret_cast<const std::byte*>(strip), packed_strip_bytes,
                                               K / Product::group, to + j * group_bytes, NR * group_bytes);
        }
      }
      if constexpr (quantised) encoder.store_scales(true, to);
    }
  }

  /// The splitting of a chunk of weights, in units of 32 floats.
  struct Split {
    const std::byte* from = nullptr;
    std::byte* to = nullptr;
    Index left = 0, unit = 0;

    Split() = default;
    Split(const std::byte* weights, Index chunk_slices, std::byte* out)
        : from(weights), to(out), left(chunk_slices * slice) {}

    BEIT_TARGET_AMX void step(Index units) {
      for (const Index end = std::max<Index>(0, left - units); left > end; --left, from += 32 * sizeof(float)) {
        // A slice has as many units as a part's two tiles of B have cache lines.
        Product::split(reinterpret_cast<const float*>(from), to, tile_bytes);
        to += 64;
        if (++unit == tile_bytes / 64) {
          unit = 0;
          to += (parts - 1) * tile_bytes;
        }
      }
    }
  };
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

#endif  // BEIT_AMX_KERNELS

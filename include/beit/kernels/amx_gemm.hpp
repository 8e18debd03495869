// The packed product on tile registers.
//
// A square of 32 x 32 of the result is summed over a chunk of k in 2 x 2 tile registers. A chunk of a panel of weights
// stays in the nearest cache while all row tiles of a call pass by. Everything else happens between products, because
// the processor doesn't wait for their results:
//  * a finished tile register is stored just before it is needed again;
//  * a square's epilogue runs inside the next square's loop, some rows per step;
//  * so do the prefetching of weights and the splitting of floats for the next chunk.
// Bfloat16 and bytes sum all chunks of a panel in the tile registers. Parts of floats are summed afresh in each chunk
// and the chunks are added in float, which keeps the errors below FMA's: 1.3e-7 against 2.1e-7 of the result's root
// mean square at k = 768.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_AMX_KERNELS

#include <immintrin.h>

#include <algorithm>
#include <cstddef>

#include <beit/core/version.hpp>
#include <beit/kernels/amx_layout.hpp>
#include <beit/kernels/amx_panels.hpp>
#include <beit/kernels/amx_tiles.hpp>
#include <beit/kernels/avx512.hpp>
#include <beit/kernels/chunk_walk.hpp>
#include <beit/kernels/gemm.hpp>
#include <beit/kernels/types.hpp>

BEIT_INTRINSICS_BEGIN

namespace beit::inline BEIT_ABI {

namespace kernels {

/// One product of two bfloat16 parts; load_a and load_b are false if the product before left that operand in its
/// registers.
struct PartProduct {
  int a, b;
  bool load_a, load_b;
};

/// The driver, on top of Tiles and a Product of kernels/amx.hpp.
template <typename Tiles, typename Product>
struct TileGemm {
  using Sum = typename Product::Sum;
  using InputLayout = TileLayout<Product>;
  using Panels = TilePanels<Product>;
  static constexpr Index NR = Panels::NR, MR = 2 * Tiles::rows, parts = Product::parts;
  static constexpr bool quantised = Panels::quantised, splits = Panels::splits;
  static constexpr Index b_row = Panels::row_bytes, b_tile = Panels::tile_bytes, b_step = parts * b_tile;
  static constexpr Index sum_row = NR * static_cast<Index>(sizeof(Sum));  // bytes

  static constexpr Index slices(Index k) { return Panels::slices(k); }

  /// The row tiles that a second-level cache holds, but at least one image of 197 tokens and at most two: each weight
  /// is fetched once for all of them.
  static Index tiles_per_call(Index k) {
    return std::clamp<Index>(cached_bytes / std::max<Index>(1, InputLayout::bytes(Tiles::rows, k)) / 2 * 2, 14, 26);
  }

  static Index scratch_bytes(Index tiles, Index columns, Index k) {
    const Index panels_of_sums = section(tiles, k) < slices(k) ? detail::ceil_div(columns, NR) : 1;
    return 2 * split_bytes + (2 + panels_of_sums * detail::ceil_div(tiles, 2)) * MR * sum_row;
  }

  BEIT_TARGET_AMX static void run(const GemmCall& g, Index tile0, Index tile1, Index column0, Index column1,
                                  std::byte* scratch) {
    if (tile0 >= tile1 || column0 >= column1) return;
    Tiles tiles;
    TileGemm work(g, tiles, scratch);
    const Index pairs = detail::ceil_div(tile1 - tile0, 2);
    ChunkWalk at{slices(g.k()), Product::chunk, section(tile1 - tile0, g.k()), column0 / NR,
                 detail::ceil_div(column1, NR)};
    const std::byte* weights = work.stored(at);
    if constexpr (splits) {
      work.split_ = {weights, at.count(), scratch};
      work.split_.step(work.split_.left);
      weights = scratch;
    }
    for (bool more = true; more;) {
      ChunkWalk next = at;
      more = next.advance();
      work.look_ahead(next, more, scratch + (weights == scratch ? split_bytes : 0), pairs * at.count());
      Sum* sum = work.sums_ + (at.splits_depth() ? (at.panel - at.panel0) * pairs * MR * NR : 0);
      for (Index t = tile0; t < tile1; t += 2, sum += MR * NR) {
        if (t + 1 < tile1) {
          work.template multiply<true>(at, t, weights, sum);
        } else {
          work.template multiply<false>(at, t, weights, sum);
        }
      }
      if constexpr (splits) {
        work.split_.step(work.split_.left);
        weights = scratch + (weights == scratch ? split_bytes : 0);
      } else {
        weights = work.stored(next);
      }
      at = next;
    }
    work.begin_tiles(nullptr);  // stores the last square
    work.finish(MR);
  }

  static constexpr GemmKernel kernel() {
    return {&InputLayout::layout, 2, NR, &Panels::panel_bytes, &Panels::pack, &tiles_per_call, &scratch_bytes, &run};
  }

 private:
  /// Most of a second-level cache, for activations.
  static constexpr Index cached_bytes = 1300 << 10;
  static constexpr Index split_bytes = splits ? Product::chunk * b_step : 0;

  /// The slices of k per section, a multiple of chunk: as many as let a call's activations stay in the cache.
  static Index section(Index tiles, Index k) {
    const Index chunk_bytes = tiles * InputLayout::tile_bytes * parts * Product::chunk;
    const Index fit = std::max<Index>(1, cached_bytes / chunk_bytes) * Product::chunk;
    return fit >= slices(k) ? std::max<Index>(1, slices(k)) : fit;
  }

  /// A square whose epilogue runs while the next one is multiplied.
  struct Waiting {
    Index rows = 0, row = 0;  // all rows, and those done
    Sum* from = nullptr;      // (rows, NR)
    Sum* sums = nullptr;      // the sums of the chunks before, or null
    bool last = false;        // true for the last chunk: needs the epilogue; else it is added to the sums
    Index first_tile = 0, panel = 0;
    Activations::RowTile tiles[2] = {};
  };

  TileGemm(const GemmCall& g, Tiles& tiles, std::byte* scratch)
      : g_(g),
        tiles_(tiles),
        done_{reinterpret_cast<Sum*>(scratch + 2 * split_bytes),
              reinterpret_cast<Sum*>(scratch + 2 * split_bytes) + MR * NR},
        sums_(done_[1] + MR * NR) {}

  const std::byte* stored(const ChunkWalk& at) const {
    return g_.packed + at.panel * Panels::panel_bytes(g_.k()) + at.begin * Panels::stored_step;
  }

  /// Plans the work for later chunks, which is done in `steps` steps while the current one is multiplied.
  BEIT_TARGET_AMX void look_ahead(const ChunkWalk& next, bool more, std::byte* split_to, Index steps) {
    ChunkWalk fetched = next;
    if constexpr (splits) {
      split_ = more ? typename Panels::Split(stored(next), next.count(), split_to) : typename Panels::Split();
      units_ = detail::ceil_div(split_.left, std::max<Index>(1, steps));
      if (more) fetched.advance();
    }
    ahead_ = fetched.panel * NR < g_.n ? Prefetch(stored(fetched), fetched.count() * Panels::stored_step) : Prefetch();
    lines_ = detail::ceil_div(ahead_.lines(), std::max<Index>(1, steps));
  }

  /// Multiplies a chunk of two row tiles, or of one, by a panel. The results stay in the registers, which the next
  /// square stores.
  template <bool Two>
  BEIT_TARGET_AMX void multiply(const ChunkWalk& at, Index t, const std::byte* b, Sum* sum) {
    constexpr Index lower = Tiles::rows * NR, a_row = Tiles::row_bytes;
    const Index count = at.count(), a_step = InputLayout::step(*g_.a, t);
    const std::byte* a = InputLayout::tile(*g_.a, t, at.begin);
    // The rows of the waiting square to finish per step: a multiple of four, to save calls.
    const Index rows = detail::ceil_div(detail::ceil_div(waiting_.rows, std::max<Index>(1, count)), 4) * 4;
    const Sum* const begun = splits || at.first() ? nullptr : sum;
    if (count == 0) begin_tiles(begun);
    for (Index i = 0; i < count; ++i, a += a_step, b += b_step) {
#pragma GCC unroll 8
      for (Index p = 0; p < Product::product_count; ++p) {
        const PartProduct product = Product::products[p];
        const std::byte* const a0 = a + product.a * InputLayout::tile_bytes;
        const std::byte* const a1 = a0 + parts * InputLayout::tile_bytes;
        const std::byte* const b0 = b + product.b * b_tile;
        if (p == 0 && i == 0) {
          tiles_.load_once(tile_a0, a0, a_row);
          tiles_.load(tile_b0, b0, b_row);
          begin_tile(tile_c00, unstored_, begun, 0);
          Product::multiply(tiles_, tile_c00, tile_a0, tile_b0);
          tiles_.load(tile_b1, b0 + Tiles::row_bytes, b_row);
          begin_tile(tile_c01, unstored_, begun, 16);
          Product::multiply(tiles_, tile_c01, tile_a0, tile_b1);
          if constexpr (Two) tiles_.load_once(tile_a1, a1, a_row);
          begin_tile(tile_c10, unstored_two_ ? unstored_ : nullptr, Two ? begun : nullptr, lower);
          if constexpr (Two) Product::multiply(tiles_, tile_c10, tile_a1, tile_b0);
          begin_tile(tile_c11, unstored_two_ ? unstored_ : nullptr, Two ? begun : nullptr, lower + 16);
          if constexpr (Two) Product::multiply(tiles_, tile_c11, tile_a1, tile_b1);
          continue;
        }
        if (product.load_a) {
          tiles_.load_once(tile_a0, a0, a_row);
          if constexpr (Two) tiles_.load_once(tile_a1, a1, a_row);
        }
        if (product.load_b) {
          tiles_.load(tile_b0, b0, b_row);
          tiles_.load(tile_b1, b0 + Tiles::row_bytes, b_row);
        }
        Product::multiply(tiles_, tile_c00, tile_a0, tile_b0);
        Product::multiply(tiles_, tile_c01, tile_a0, tile_b1);
        if constexpr (Two) {
          Product::multiply(tiles_, tile_c10, tile_a1, tile_b0);
          Product::multiply(tiles_, tile_c11, tile_a1, tile_b1);
        }
      }
      ahead_.fetch(lines_);
      if constexpr (splits) split_.step(units_);
      finish(rows);
    }
    finish(waiting_.rows);
    const bool waits = at.last() || (splits && !at.first());
    unstored_ = sum;
    unstored_two_ = Two;
    waiting_ = {};
    if (waits) {
      side_ = 1 - side_;
      unstored_ = done_[side_];
      waiting_ = {Two ? MR : Tiles::rows,
                  0,
                  unstored_,
                  splits && !at.first() ? sum : nullptr,
                  at.last(),
                  t,
                  at.panel,
                  {g_.a->tile(t), Two ? g_.a->tile(t + 1) : Activations::RowTile{}}};
    }
  }

  /// Stores the previous square's tile if that is unstored, and begins the next one from `begun`, or from zero if that
  /// is null.
  template <int T>
  BEIT_TARGET_AMX void begin_tile(TileRegister<T> tile, Sum* unstored, const Sum* begun, Index offset) {
    if (unstored != nullptr) tiles_.store(tile, unstored + offset, sum_row);
    if (begun != nullptr) {
      tiles_.load(tile, begun + offset, sum_row);
    } else {
      tiles_.zero(tile);
    }
  }
  BEIT_TARGET_AMX void begin_tiles(const Sum* begun) {
    constexpr Index lower = Tiles::rows * NR;
    begin_tile(tile_c00, unstored_, begun, 0);
    begin_tile(tile_c01, unstored_, begun, 16);
    begin_tile(tile_c10, unstored_two_ ? unstored_ : nullptr, begun, lower);
    begin_tile(tile_c11, unstored_two_ ? unstored_ : nullptr, begun, lower + 16);
  }

  /// Finishes the next `rows` rows of the waiting square.
  BEIT_TARGET_AMX void finish(Index rows) {
    for (const Index end = std::min(waiting_.row + rows, waiting_.rows); waiting_.row < end;) {
      const Index tile_row = waiting_.row % Tiles::rows, count = std::min(end - waiting_.row, Tiles::rows - tile_row);
      Sum* const from = waiting_.from + waiting_.row * NR;
      if constexpr (splits) {
        if (waiting_.sums != nullptr) {
          float* const sums = waiting_.sums + waiting_.row * NR;
          float* const to = waiting_.last ? from : sums;
          for (Index i = 0; i < count * NR; i += 16) {
            _mm512_store_ps(to + i, _mm512_add_ps(_mm512_load_ps(sums + i), _mm512_load_ps(from + i)));
          }
        }
      }
      if (waiting_.last) {
        const Index index = waiting_.row / Tiles::rows;
        const Activations::RowTile& tile = waiting_.tiles[index];
        const Index exist = std::min(count, tile.rows - tile_row);
        if (exist > 0) {
          const Index column = waiting_.panel * NR, columns = std::min(NR, g_.n - column);
          if constexpr (quantised) {
            const std::byte* tail =
                g_.packed + waiting_.panel * Panels::panel_bytes(g_.k()) + slices(g_.k()) * Panels::stored_step;
            alignas(64) float floats[static_cast<std::size_t>(Tiles::rows * NR)];  // (rows, NR)
            Avx512::dequantise<NR>(from, exist, g_.a->scales + (waiting_.first_tile + index) * Tiles::rows + tile_row,
                                   reinterpret_cast<const float*>(tail),
                                   reinterpret_cast<const std::int32_t*>(tail) + NR, floats);
            apply_epilogue<Avx512>(g_, tile.segment, tile.row + tile_row, exist, column, columns, floats, NR);
          } else {
            apply_epilogue<Avx512>(g_, tile.segment, tile.row + tile_row, exist, column, columns, from, NR);
          }
        }
      }
      waiting_.row += count;
    }
  }

  const GemmCall& g_;
  Tiles& tiles_;
  Sum* const done_[2];  // (MR, NR) each: a waiting square and the one that will wait next
  Sum* const sums_;     // (begun panels, pairs of row tiles, MR, NR)
  int side_ = 0;
  Sum* unstored_ = nullptr;  // the destination of the square in the registers
  bool unstored_two_ = false;
  Waiting waiting_;
  Prefetch ahead_;
  typename Panels::Split split_;
  Index lines_ = 0, units_ = 0;  // per step
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

BEIT_INTRINSICS_END

#endif  // BEIT_AMX_KERNELS

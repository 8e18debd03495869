// The AMX level: products of tiles in bfloat16 and bytes, and of float by splitting.
//
// A float is exactly the sum of three bfloat16 parts, x = h + m + l. Of the nine products of parts six matter:
// the other three are below 2^-24 of the result. float-fast keeps two parts and three products, about 16 bits.
//
// Packing: panels of 32 columns of the result in blocks of k, as many as a tile's row of 64 bytes holds, with the
// parts of a block one after the other: panel p is
//   stored[(((i / K) * parts + part) * K/G + i % K / G) * 32 + j) * G + i % G] = part of w[(p * 32 + j) * k + i]
// with K = 32, G = 2 for bfloat16 and K = 64, G = 4 for bytes; then 32 scales and offsets where they are quantised.
// A row of a has its parts interleaved likewise, 64 bytes each: one stream of memory for a row of tiles.
//
// A block of 32 x 32 of the result sums a chunk of k in tiles from zero; chunks are added in float. A chunk of a panel
// stays in the nearest cache while all rows of a call, up to 256, pass by: one image's tokens read each weight once
// (oneDNN blocks likewise). Fresh sums for each chunk make split products more accurate than FMA: of the result's
// root mean square, 1.3e-7 against 2.1e-7 at k = 768.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_AMX_KERNELS

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include <beit/core/version.hpp>
#include <beit/kernels/amx_attention.hpp>
#include <beit/kernels/amx_tiles.hpp>
#include <beit/kernels/avx512.hpp>
#include <beit/kernels/avx512_bf16.hpp>
#include <beit/kernels/avx512_vnni.hpp>
#include <beit/kernels/gemm.hpp>
#include <beit/kernels/packing_avx2.hpp>
#include <beit/kernels/types.hpp>

BEIT_INTRINSICS_BEGIN

namespace beit::inline BEIT_ABI {

namespace kernels {

/// One product of parts, and which of its operands the product before left in the registers.
struct PartProduct {
  int a, b;
  bool load_a, load_b;
};

/// Numbers of 1, 2 or 3 bfloat16 parts.
template <int Parts>
struct BfloatParts {
  using Sum = float;
  using Stored = std::uint16_t;
  static constexpr Index parts = Parts, group = 2, block = 32;
  static constexpr Index chunk = Parts == 1 ? 16 : 8;  // blocks
  static constexpr Form form = Parts == 1 ? Form::bfloat16 : Parts == 2 ? Form::bfloat16x2 : Form::bfloat16x3;

  // Small to large where it is free; neighbours share an operand.
  static constexpr PartProduct three[] = {{0, 2, true, true},  {0, 1, false, true}, {1, 1, true, false},
                                          {1, 0, false, true}, {2, 0, true, false}, {0, 0, true, false}};
  static constexpr PartProduct two[] = {{0, 1, true, true}, {0, 0, false, true}, {1, 0, true, false}};
  static constexpr PartProduct one[] = {{0, 0, true, true}};
  static constexpr const auto& products() {
    if constexpr (Parts == 3) {
      return three;
    } else if constexpr (Parts == 2) {
      return two;
    } else {
      return one;
    }
  }

  template <typename Tiles, int C, int A, int B>
  BEIT_TARGET_AMX static void multiply(Tiles& tiles, Tile<C> c, Tile<A> a, Tile<B> b) {
    tiles.multiply_bfloat16(c, a, b);
  }

  BEIT_TARGET_AMX static void encode_row(const float* x, Index k, void* out, float*) {
    std::uint16_t* to = static_cast<std::uint16_t*>(out);
    for (Index i = 0; i < k; i += block, to += block * Parts) {
      for (Index half = 0; half < block; half += 16) {
        __m512 rest = _mm512_maskz_loadu_ps(Avx512::first_lanes(k - i - half), x + i + half);
        for (int part = 0; part < Parts; ++part) {
          const __m256i bits = Avx512::to_bfloat16(rest);
          _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + part * block + half), bits);
          rest = _mm512_sub_ps(rest, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16)));
        }
      }
    }
  }
};

/// Quantised numbers; a is unsigned as on Avx512Vnni.
struct TileBytes {
  using Sum = std::int32_t;
  using Stored = std::int8_t;
  static constexpr Index parts = 1, group = 4, block = 64, chunk = 16;
  static constexpr Form form = Form::uint8;
  static constexpr PartProduct one[] = {{0, 0, true, true}};
  static constexpr const auto& products() { return one; }

  template <typename Tiles, int C, int A, int B>
  BEIT_TARGET_AMX static void multiply(Tiles& tiles, Tile<C> c, Tile<A> a, Tile<B> b) {
    tiles.multiply_bytes(c, a, b);
  }

  BEIT_TARGET_AMX static void encode_row(const float* x, Index k, void* out, float* scale) {
    Avx512Vnni::Int8::encode_row(x, k, panels(k, block) * block, static_cast<std::uint8_t*>(out), scale);
  }
};

/// The driver over Tiles and one of the products above.
template <typename Tiles, typename Product>
struct TileGemm {
  using Sum = typename Product::Sum;
  using Stored = typename Product::Stored;
  static constexpr Index NR = 32, row_block = 256, parts = Product::parts;
  static constexpr bool quantised = std::is_same_v<Sum, std::int32_t>;
  static constexpr Index a_step = parts * Tiles::row_bytes;                           // bytes of a block in a row of a
  static constexpr Index b_row = 2 * Tiles::row_bytes, b_tile = b_row * Tiles::rows;  // bytes of two tiles of B
  static constexpr Index b_step = parts * b_tile;                                     // bytes of a block in a panel

  static constexpr Index blocks(Index k) { return panels(k, Product::block); }
  static Index panel_bytes(Index k) { return blocks(k) * b_step + (quantised ? NR * 8 : 0); }

  static void pack(const float* w, Index n, Index k, std::byte* packed) {
    constexpr Index K = Product::block;
    for (Index p = 0; p < panels(n, NR); ++p, packed += panel_bytes(k)) {
      const float* columns = w + p * NR * k;
      const Index count = std::min(NR, n - p * NR);
      PanelEncoder<Avx2Packing, Stored, NR> encoder(columns, count, k);
      std::byte* to = packed;
      for (Index begin = 0; begin < k; begin += K, to += b_step) {
        for (Index j = 0; j < NR; j += strip_rows) {
          alignas(64) Stored strip[strip_rows][parts * K] = {};
          const float* column = columns + j * k + begin;
          for (Index i = 0; i < std::min(strip_rows, count - j); ++i, column += k) {
            if constexpr (quantised) {
              encoder.encode(column, std::min(K, k - begin), j + i, strip[i]);
            } else {
              Product::encode_row(column, std::min(K, k - begin), strip[i], nullptr);
            }
          }
          for (Index part = 0; part < parts; ++part) {
            interleave<Avx2Packing, 4>(reinterpret_cast<const std::byte*>(strip) + part * strip_bytes,
                                       parts * strip_bytes, Tiles::rows, to + part * b_tile + j * 4, b_row);
          }
        }
      }
      if constexpr (quantised) encoder.store_scales(Product::form, to);
    }
  }

  static void encode(const float* x, Index ldx, Index rows, Index k, void* out, Index ldo, float* scale) {
    std::byte* to = static_cast<std::byte*>(out);
    for (Index row = 0; row < rows; ++row) {
      Product::encode_row(x + row * ldx, k, to + row * ldo * form_bytes(Product::form), scale + (quantised ? row : 0));
    }
  }

  BEIT_TARGET_AMX static void run(const Gemm& g, Index row0, Index row1, Index column0, Index column1) {
    // The last tile ends with the last row and begins where it must; what it sums again is not used again. Only a
    // with fewer rows than a tile makes tiles of fewer.
    const Index tile_rows = std::min(Tiles::rows, row1);
    Tiles tiles(tile_rows);
    alignas(64) Sum sums[row_block * NR];  // a tile row's after the other's
    const Index lda = g.lda * form_bytes(Product::form);
    const std::byte* a = static_cast<const std::byte*>(g.a);
    const Index chunks = panels(blocks(g.k), Product::chunk), chunk = panels(blocks(g.k), std::max<Index>(chunks, 1));
    for (Index column = column0; column < column1; column += NR) {
      const std::byte* panel = g.packed + column / NR * panel_bytes(g.k);
      for (Index begin = 0; begin < blocks(g.k); begin += chunk) {
        const Index count = std::min(chunk, blocks(g.k) - begin);
        for (Index row = row0; row < row1; row += 2 * Tiles::rows) {
          const std::byte* a0 = a + std::min(row, row1 - tile_rows) * lda + begin * a_step;
          Sum* sum = sums + (row - row0) * NR;
          if (row + Tiles::rows < row1) {
            const std::byte* a1 = a + std::min(row + Tiles::rows, row1 - tile_rows) * lda + begin * a_step;
            sum_chunk<true>(tiles, a0, a1, lda, panel + begin * b_step, count, begin > 0, sum);
          } else {
            sum_chunk<false>(tiles, a0, a0, lda, panel + begin * b_step, count, begin > 0, sum);
          }
        }
      }
      finish(g, row0, row1, tile_rows, column, panel + blocks(g.k) * b_step, sums);
    }
  }

  static constexpr GemmKernel kernel() {
    return {Product::form, Product::block, 2 * Tiles::rows, row_block, NR, &panel_bytes, &pack, &encode, &run};
  }

  /// sum (32, NR), or 16 rows where there is but one tile row: the chunk's products, added if `add`.
  template <bool Two>
  BEIT_TARGET_AMX static void sum_chunk(Tiles& tiles, const std::byte* a0, const std::byte* a1, Index lda,
                                        const std::byte* panel, Index count, bool add, Sum* sum) {
    tiles.zero(tile_c00);
    tiles.zero(tile_c01);
    if constexpr (Two) {
      tiles.zero(tile_c10);
      tiles.zero(tile_c11);
    }
    for (Index i = 0; i < count; ++i, a0 += a_step, a1 += a_step, panel += b_step) {
      for (const PartProduct& p : Product::products()) {
        if (p.load_a) {
          tiles.load(tile_a0, a0 + p.a * Tiles::row_bytes, lda);
          if constexpr (Two) tiles.load(tile_a1, a1 + p.a * Tiles::row_bytes, lda);
        }
        if (p.load_b) {
          tiles.load(tile_b0, panel + p.b * b_tile, b_row);
          tiles.load(tile_b1, panel + p.b * b_tile + Tiles::row_bytes, b_row);
        }
        Product::multiply(tiles, tile_c00, tile_a0, tile_b0);
        Product::multiply(tiles, tile_c01, tile_a0, tile_b1);
        if constexpr (Two) {
          Product::multiply(tiles, tile_c10, tile_a1, tile_b0);
          Product::multiply(tiles, tile_c11, tile_a1, tile_b1);
        }
      }
    }
    constexpr Index rows = Two ? 2 * Tiles::rows : Tiles::rows;
    alignas(64) Sum fresh[rows * NR];
    Sum* to = add ? fresh : sum;
    tiles.store(tile_c00, to, NR * 4);
    tiles.store(tile_c01, to + 16, NR * 4);
    if constexpr (Two) {
      tiles.store(tile_c10, to + Tiles::rows * NR, NR * 4);
      tiles.store(tile_c11, to + Tiles::rows * NR + 16, NR * 4);
    }
    if (add) {
      for (Index i = 0; i < rows * NR; i += 16) {
        if constexpr (quantised) {
          _mm512_storeu_si512(sum + i, _mm512_add_epi32(_mm512_loadu_si512(sum + i), _mm512_loadu_si512(fresh + i)));
        } else {
          _mm512_storeu_ps(sum + i, _mm512_add_ps(_mm512_loadu_ps(sum + i), _mm512_loadu_ps(fresh + i)));
        }
      }
    }
  }

 private:
  /// The epilogue of a panel's sums.
  BEIT_TARGET_AMX static void finish(const Gemm& g, Index row0, Index row1, Index tile_rows, Index column,
                                     const std::byte* tail, Sum* sums) {
    const Index columns = std::min(NR, g.n - column);
    const float* bias = g.bias == nullptr ? nullptr : g.bias + column;
    const float* scale = g.scale == nullptr ? nullptr : g.scale + column;
    for (Index row = row0; row < row1; row += Tiles::rows) {
      const Index rows = std::min(Tiles::rows, row1 - row);
      Sum* sum = sums + (row - row0 + tile_rows - rows) * NR;
      if constexpr (quantised) {
        Avx512::dequantise<NR>(sum, rows, g.a_scale + row, reinterpret_cast<const float*>(tail),
                               reinterpret_cast<const std::int32_t*>(tail) + NR);
      }
      std::byte* out = static_cast<std::byte*>(g.out) + (row * g.ldo + column) * form_bytes(g.out_form);
      Avx512::template finish<Tiles::rows, NR>(reinterpret_cast<const float*>(sum), bias, scale, g.epilogue, rows,
                                               columns, g.out_form, out, g.ldo);
      if (g.out_padding > 0 && column + NR >= g.n) {
        for (Index i = 0; i < rows; ++i) {
          std::fill_n(out + (i * g.ldo + columns) * form_bytes(g.out_form), g.out_padding * form_bytes(g.out_form),
                      std::byte{0});
        }
      }
    }
  }
};

/// The table, on the machine's tiles or on tests' software.
template <typename Tiles>
struct AmxLevel {
  static constexpr Kernels table() {
    Kernels kernels = Avx512Bf16::table();
    kernels.isa = Isa::amx;
    kernels.float32.gemm = TileGemm<Tiles, BfloatParts<3>>::kernel();
    kernels.float_fast.gemm = TileGemm<Tiles, BfloatParts<2>>::kernel();
    kernels.bfloat16.gemm = TileGemm<Tiles, BfloatParts<1>>::kernel();
    kernels.int8.gemm = TileGemm<Tiles, TileBytes>::kernel();
    kernels.bfloat16.attention = TileAttention<Tiles, TileGemm<Tiles, BfloatParts<1>>>::kernel();
    kernels.int8.attention = kernels.bfloat16.attention;
    return kernels;
  }
};

using Amx = AmxLevel<Tiles>;

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

BEIT_INTRINSICS_END

#endif  // BEIT_AMX_KERNELS

// Attention of one head for many tokens in int8, by AVX-512 with VNNI.
//
// Both products multiply bytes. Queries and keys have a scale per token, and the mean key is subtracted from all keys,
// which the softmax doesn't notice. Values have a scale per channel, after their mean is subtracted. The softmax runs
// along blocks of keys: the weights of a block are bytes relative to the block's own largest weight, and sums of values
// stay float between blocks. The softmax's denominator adds the weights before they are rounded, so what a weight too
// small for a byte would contribute is taken to be the mean value. The first token, the class token, whose weight
// stands out in many heads, isn't rounded: its score, weight and value are what the running softmax begins with.
//
// Queries pass by columns of the grid of patches. All queries of a column find their relative position biases in one
// array of (2 * height - 1, width) numbers, each beginning in another row, so that no biases are copied per query.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_X86_KERNELS

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <beit/core/version.hpp>
#include <beit/kernels/approximations.hpp>
#include <beit/kernels/avx512.hpp>
#include <beit/kernels/packing.hpp>
#include <beit/kernels/types.hpp>
#include <beit/kernels/vnni_keys_values.hpp>

#define BEIT_TARGET BEIT_TARGET_AVX512_VNNI

BEIT_INTRINSICS_BEGIN

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The kernel; where it doesn't apply, that is up to `few_tokens` tokens and for unusual heads, `Few` takes its place.
template <typename Few>
struct VnniAttention : VnniAttentionTile {
  using QkvLayout = typename Few::QkvLayout;
  using Base = VnniKeysValues<QkvLayout>;
  /// 224 pixels have 197 tokens; there attention takes so little that its accuracy costs nothing.
  static constexpr Index few_tokens = 256;

  static bool applies(Index n, Index d) { return n > few_tokens && d % NR == 0 && d <= block; }

  static Index scratch_bytes(Index n, Index d) {
    return applies(n, d) ? Head(n, d, nullptr).used : Few::scratch_bytes(n, d);
  }
  BEIT_TARGET static void run(const AttentionCall& a, std::byte* memory) {
    if (!applies(a.tokens(), a.head_dim())) return Few::run(a, memory);
    Head head(a.tokens(), a.head_dim(), memory);
    head.read(a);
    const Size grid = a.grid;
    const float* const table = a.bias_table;
    const Index patches = a.tokens() - 1, pairs = (2 * grid.height - 1) * (2 * grid.width - 1);
    std::fill_n(head.biases, patches, table == nullptr ? 0.0f : log2_e * table[pairs]);
    head.attend(a, {.first = 0, .count = 1, .class_bias = table == nullptr ? 0.0f : log2_e * table[pairs + 2]});
    if (table == nullptr) return head.attend(a, {.first = 1, .count = patches});
    for (Index x = 0; x < grid.width; ++x) {
      for (Index y = 0; y < 2 * grid.height - 1; ++y) {
        const float* const run = table + y * (2 * grid.width - 1) + grid.width - 1 - x;
        for (Index i = 0; i < grid.width; ++i) head.biases[y * grid.width + i] = log2_e * run[i];
      }
      head.attend(a, {.first = 1 + x,
                      .count = grid.height,
                      .step = grid.width,
                      .bias_row = grid.height - 1,
                      .bias_step = grid.width,
                      .class_bias = log2_e * table[pairs + 1]});
    }
  }

  static constexpr AttentionKernel kernel() { return {&QkvLayout::layout, &scratch_bytes, &run}; }

 private:
  /// Tokens first, first + step, ... as queries. The biases of the i-th begin at row bias_row - i of Head::biases with
  /// rows of bias_step.
  struct Queries {
    Index first, count, step = 1;
    Index bias_row = 0, bias_step = 0;
    float class_bias = 0;  // for the first token as key

    Index token(Index i) const { return first + i * step; }
    Index bias(Index i) const { return (bias_row - i) * bias_step; }
  };

  /// Attends to one head's keys and values.
  struct Head : Base {
    using Base::Base;
    using Base::n, Base::d, Base::padded, Base::keys, Base::offsets, Base::key_scales, Base::values, Base::biases;
    using Base::value_mean, Base::value_scale, Base::class_key, Base::class_value, Base::fetch;

    BEIT_TARGET void attend(const AttentionCall& a, const Queries& queries) const {
      for (Index first = 0; first < queries.count; first += MR) {
        Tile tile(first, std::min(MR, queries.count - first));
        begin(a, queries, tile);
        for (Index key = 0; key < n - 1; key += block) add_block(queries, key, tile);
        finish(a, queries, tile);
      }
    }

   private:
    static constexpr float byte_limit = 255, byte_limit_log2 = 7.9943534f;

    /// Up to MR queries, from number `first` on, and their running softmax: out = sums / denominator, both relative to
    /// 2^(largest score) / byte_limit.
    struct Tile {
      Tile(Index first_query, Index count) : first(first_query), rows(count) {}

      Index first, rows;
      alignas(64) Array<std::uint8_t, MR * block> queries;
      alignas(64) Array<float, MR * block> sums;  // of weighted values less their mean, in units of value_scale
      alignas(64) Array<float, V::lanes> query_scale = {}, largest = {};
      Floats denominator[MR];  // the sum of its lanes
    };

    /// Rounds the queries, and weights the first token's value.
    BEIT_TARGET void begin(const AttentionCall& a, const Queries& queries, Tile& tile) const {
      const auto* const column = QkvLayout::row(*a.qkv, a.segment, 0) + a.column();
      const Index ld = QkvLayout::stride(a.qkv->columns);
      alignas(64) Array<float, block> query;
      for (Index r = 0; r < tile.rows; ++r) {
        const Index i = tile.first + r;
        if (i + MR < queries.count) fetch(column + queries.token(i + MR) * ld);
        Floats product = V::zero();
        for (Index c = 0; c < d; c += V::lanes) {
          const Floats q = load(column + queries.token(i) * ld + c);
          product = V::fma(q, V::load(class_key + c), product);
          V::store(query + c, q);
          V::store(tile.sums + r * block + c, V::mul(V::load(class_value + c), V::set(byte_limit)));
        }
        const float size = Avx512::largest_magnitude(query, d), scale = a.scale * log2_e;
        Avx512::quantise(query, d, d, inverse_int8_scale(size), tile.queries + r * block);
        tile.query_scale[r] = size / int8_limit * scale;
        tile.largest[r] = V::sum(product) * scale + queries.class_bias;
        tile.denominator[r] = V::first(V::set(byte_limit), 1, V::zero());
      }
    }

    /// Weights the values of the block that begins with key number `key`.
    BEIT_TARGET void add_block(const Queries& queries, Index key, Tile& tile) const {
      alignas(64) Array<std::int32_t, MR * block> products;
      alignas(64) Array<std::uint8_t, MR * block> weights;
      alignas(64) Array<std::int32_t, MR * NR> sums;
      alignas(64) constexpr Array<std::int32_t, NR> zeros = {};
      alignas(64) Array<float, V::lanes> largest = {}, old_factor, factor;
      const Index count = std::min(block, n - 1 - key);
      for (Index i = 0; i < count; i += NR) {
        multiply<block>(tile.queries, keys + (key + i) * d, d / group, offsets + key + i, products + i);
      }
      for (Index r = 0; r < tile.rows; ++r) {
        largest[r] = score(products + r * block, key_scales + key, tile.query_scale[r],
                           biases + queries.bias(tile.first + r) + key, count);
      }
      const Floats before = V::load(tile.largest), own = V::load(largest);
      const Floats now = V::max(own, before);  // in this order NaN stays NaN
      V::store(tile.largest, now);
      V::store(old_factor, Avx512::exp2_rounded(V::sub(before, now)));
      V::store(factor, Avx512::exp2_rounded(V::sub(own, now)));
      for (Index r = 0; r < tile.rows; ++r) {
        const Floats sum = weigh(reinterpret_cast<const float*>(products + r * block), largest[r] - byte_limit_log2,
                                 count, weights + r * block);
        tile.denominator[r] = V::fma(tile.denominator[r], V::set(old_factor[r]), V::mul(sum, V::set(factor[r])));
      }
      for (Index c = 0; c < d; c += NR) {
        multiply<NR>(weights, values + c * padded + key * NR, detail::ceil_div(count, group), zeros, sums);
        for (Index r = 0; r < tile.rows; ++r) {
          for (Index j = 0; j < NR; j += V::lanes) {
            float* const to = tile.sums + r * block + c + j;
            const Floats sum = V::mul(floats(sums + r * NR + j), V::set(factor[r]));
            V::store(to, V::fma(V::load(to), V::set(old_factor[r]), sum));
          }
        }
      }
    }

    BEIT_TARGET void finish(const AttentionCall& a, const Queries& queries, const Tile& tile) const {
      alignas(64) Array<float, block> out;
      for (Index r = 0; r < tile.rows; ++r) {
        const Floats reciprocal = V::set(1 / V::sum(tile.denominator[r]));
        for (Index c = 0; c < d; c += V::lanes) {
          const Floats mean = V::mul(V::load(tile.sums + r * block + c), reciprocal);
          V::store(out + c, V::fma(mean, V::load(value_scale + c), V::load(value_mean + c)));
        }
        a.out->write(a.segment, queries.token(tile.first + r), 1, a.column(), d, out, d);
      }
    }
  };
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

BEIT_INTRINSICS_END

#undef BEIT_TARGET

#endif  // BEIT_X86_KERNELS

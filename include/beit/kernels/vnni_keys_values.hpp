// One head's keys and values as bytes, for vnni_attention.hpp.
//
// The tokens' numbers are fetched some tokens ahead: they are as far apart as the queries, keys and values of all heads
// are long, which the processor's own prefetcher doesn't follow.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_X86_KERNELS

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <beit/core/version.hpp>
#include <beit/kernels/avx512.hpp>
#include <beit/kernels/packing.hpp>
#include <beit/kernels/packing_avx2.hpp>
#include <beit/kernels/types.hpp>

#define BEIT_TARGET BEIT_TARGET_AVX512_VNNI

BEIT_INTRINSICS_BEGIN

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The constants of both products, and what doesn't depend on where keys and values are read. GCC joins the same
/// function of two templates, loses its target in that, and then warns of the vectors that it returns.
struct VnniAttentionTile {
  using V = VectorAvx512;
  using Floats = V::Floats;
  /// A tile of the products is MR x NR, 16 sums in registers; `block` keys are weighted together.
  static constexpr Index MR = 8, NR = 32, group = 4, block = 256;

  BEIT_TARGET static Floats load(const float* x) { return V::load(x); }
  BEIT_TARGET static Floats load(const std::uint16_t* x) {
    alignas(64) Array<float, V::lanes> wide;
    V::widen(x, wide);
    return V::load(wide);
  }
  BEIT_TARGET static Floats inverse(Floats scale) { return V::div(V::set(1.0f), scale); }

  BEIT_TARGET static Floats floats(const std::int32_t* x) { return _mm512_cvtepi32_ps(_mm512_load_si512(x)); }

  /// Replaces the products by scores. Returns the largest score.
  BEIT_TARGET static float score(std::int32_t* products, const float* key_scales, float query_scale, const float* bias,
                                 Index count) {
    const Floats scale = V::set(query_scale), lowest = V::set(-3.4e38f);
    Floats largest = lowest;
    for (Index i = 0; i < count; i += V::lanes) {
      const Floats product = V::mul(scale, V::load(key_scales + i));
      Floats y = V::fma(floats(products + i), product, V::load(bias + i));
      if (i + V::lanes > count) y = V::first(y, count - i, lowest);
      V::store(reinterpret_cast<float*>(products + i), y);
      largest = V::max(largest, y);
    }
    return V::largest(largest);
  }

  /// out = 2^(scores - shift) as bytes, in whole vectors. Returns lanes whose sum is theirs before rounding.
  BEIT_TARGET static Floats weigh(const float* scores, float shift, Index count, std::uint8_t* out) {
    const Floats s = V::set(shift);
    Floats sum = V::zero();
    for (Index i = 0; i < count; i += V::lanes) {
      const Floats e = Avx512::exp2_rounded(V::sub(V::load(scores + i), s));
      _mm_store_si128(reinterpret_cast<__m128i*>(out + i), _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(e)));
      sum = V::add(sum, e);
    }
    return sum;
  }

  /// sums (MR, NR), rows ldo apart, = start (NR,) + a (MR, groups * group), rows `block` apart, x panel.
  template <Index ldo>
  BEIT_TARGET static void multiply(const std::uint8_t* a, const std::int8_t* panel, Index groups,
                                   const std::int32_t* start, std::int32_t* sums) {
    constexpr std::size_t columns = NR / V::lanes;
    V::Integers s[static_cast<std::size_t>(MR)][columns];
#pragma GCC unroll 8
    for (Index r = 0; r < MR; ++r) {
#pragma GCC unroll 2
      for (std::size_t c = 0; c < columns; ++c)
        s[r][c] = reinterpret_cast<V::Integers>(V::load_bits(start + static_cast<Index>(c) * V::lanes));
    }
    for (Index i = 0; i < groups; ++i, a += group, panel += NR * group) {
      __m512i b[columns];
#pragma GCC unroll 2
      for (std::size_t c = 0; c < columns; ++c) b[c] = V::load_bits(panel + static_cast<Index>(c) * V::lanes * group);
#pragma GCC unroll 8
      for (Index r = 0; r < MR; ++r) {
        const __m512i x = V::broadcast(a + r * block);
#pragma GCC unroll 2
        for (std::size_t c = 0; c < columns; ++c) {
          s[r][c] = reinterpret_cast<V::Integers>(_mm512_dpbusd_epi32(reinterpret_cast<__m512i>(s[r][c]), x, b[c]));
        }
      }
    }
#pragma GCC unroll 8
    for (Index r = 0; r < MR; ++r) {
#pragma GCC unroll 2
      for (std::size_t c = 0; c < columns; ++c) V::put(sums + r * ldo + static_cast<Index>(c) * V::lanes, s[r][c]);
    }
  }
};

/// Keys and values of the tokens but the first, which isn't rounded. QkvLayout is that of AttentionCall::qkv.
template <typename QkvLayout>
struct VnniKeysValues : VnniAttentionTile {
  static constexpr Index fetched_ahead = 8;  // tokens

  Index n, d, padded;     // N tokens of D; N - 1 rounded up to panels
  Index used = 0;         // bytes of scratch memory
  std::int8_t* rounded;   // (padded, D): keys, and later values
  std::int8_t* keys;      // (padded/NR, D/group, NR, group), from the second token on
  std::int32_t* offsets;  // (padded,): -128 * the sum of a key, because queries have 128 added
  float* key_scales;      // (padded,)
  std::int8_t* values;    // (D/NR, padded/group, NR, group), from the second token on
  float* biases;          // (2 * N,), which is more than Queries need
  alignas(64) Array<float, block> key_mean, value_mean, value_scale;
  alignas(64) Array<float, block> class_key, class_value;  // the first token's: less the mean; as the sums are

  VnniKeysValues(Index tokens, Index dim, std::byte* memory)
      : n(tokens), d(dim), padded(detail::round_up(tokens - 1, NR)) {
    const auto take = [&](auto*& piece, Index count) {
      using T = std::remove_reference_t<decltype(*piece)>;
      piece = memory == nullptr ? nullptr : reinterpret_cast<T*>(memory + used);
      used += detail::round_up_to_cache_line(count * static_cast<Index>(sizeof(T)));
    };
    take(rounded, padded * d);
    take(keys, padded * d);
    take(offsets, padded);
    take(key_scales, padded);
    take(values, padded * d);
    take(biases, 2 * n + V::lanes);
  }

  /// Rounds and packs keys and values.
  BEIT_TARGET void read(const AttentionCall& a) {
    const auto* const first_key = QkvLayout::row(*a.qkv, a.segment, 0) + a.column() + a.out->columns;
    const auto* const first_value = first_key + a.out->columns;
    const Index ld = QkvLayout::stride(a.qkv->columns);
    const float per_token = 1.0f / static_cast<float>(n - 1);
    alignas(64) Array<float, block> least, most;
    for (Index c = 0; c < d; c += V::lanes) {
      const Floats value = load(first_value + ld + c);
      V::store(least + c, value);
      V::store(most + c, value);
      V::store(key_mean + c, V::zero());
      V::store(value_mean + c, V::zero());
    }
    for (Index i = 1; i < n; ++i) {
      const auto *const key = first_key + i * ld, *const value = first_value + i * ld;
      if (i + fetched_ahead < n) {
        fetch(key + fetched_ahead * ld);
        fetch(value + fetched_ahead * ld);
      }
      for (Index c = 0; c < d; c += V::lanes) {
        const Floats x = load(value + c);
        V::add_to(key_mean + c, load(key + c));
        V::add_to(value_mean + c, x);
        V::store(least + c, V::min(V::load(least + c), x));
        V::store(most + c, V::max(V::load(most + c), x));
      }
    }
    for (Index c = 0; c < d; c += V::lanes) {
      const Floats mean = V::mul(V::load(value_mean + c), V::set(per_token));
      const Floats key = V::mul(V::load(key_mean + c), V::set(per_token));
      const Floats range = V::max(V::sub(V::load(most + c), mean), V::sub(mean, V::load(least + c)));
      // Not 0 where all values are equal, as in a picture of one colour: the first token's has this scale, too.
      const Floats scale = V::max(V::set(1e-20f), V::mul(range, V::set(1 / int8_limit)));
      V::store(key_mean + c, key);
      V::store(value_mean + c, mean);
      V::store(value_scale + c, scale);
      V::store(class_key + c, V::sub(load(first_key + c), key));
      V::store(class_value + c, V::mul(V::sub(load(first_value + c), mean), inverse(scale)));
    }
    std::fill_n(rounded + (n - 1) * d, (padded - n + 1) * d, std::int8_t{0});
    alignas(64) Array<float, block> key;
    for (Index i = 1; i < n; ++i) {
      std::int8_t* const row = rounded + (i - 1) * d;
      subtract(first_key + i * ld, key_mean, key);
      const float largest = Avx512::largest_magnitude(key, d);
      Avx512::quantise(key, d, d, inverse_int8_scale(largest), row);
      key_scales[i - 1] = largest / int8_limit;
      std::int32_t sum = 0;
      for (Index c = 0; c < d; ++c) sum += row[c];
      offsets[i - 1] = -128 * sum;
    }
    pack_rows<Avx2Packing, group>(rounded, d, n - 1, d, d, NR, keys);
    for (Index i = 1; i < n; ++i) {
      for (Index c = 0; c < d; c += V::lanes) {
        const Floats value = V::sub(load(first_value + i * ld + c), V::load(value_mean + c));
        V::store_integers(V::mul(value, inverse(V::load(value_scale + c))), V::lanes, rounded + (i - 1) * d + c);
      }
    }
    std::uint8_t* to = reinterpret_cast<std::uint8_t*>(values);
    const std::uint8_t* const bytes = reinterpret_cast<const std::uint8_t*>(rounded);
    for (Index c = 0; c < d; c += NR) {
      for (Index i = 0; i < padded; i += group) {
        const std::uint8_t* const from[] = {bytes + i * d, bytes + (i + 1) * d, bytes + (i + 2) * d,
                                            bytes + (i + 3) * d};
        for (Index j = 0; j < NR; j += V::lanes, to += V::lanes * group) V::store_interleaved(from, c + j, to);
      }
    }
  }

  /// Fetches a token's D numbers into the nearest cache.
  template <typename T>
  void fetch(const T* x) const {
    for (Index c = 0; c < d; c += 64 / static_cast<Index>(sizeof(T))) {
      _mm_prefetch(reinterpret_cast<const char*>(x + c), _MM_HINT_T0);
    }
  }

 private:
  template <typename T>
  BEIT_TARGET void subtract(const T* x, const float* mean, float* out) const {
    for (Index c = 0; c < d; c += V::lanes) V::store(out + c, V::sub(load(x + c), V::load(mean + c)));
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

BEIT_INTRINSICS_END

#undef BEIT_TARGET

#endif  // BEIT_X86_KERNELS

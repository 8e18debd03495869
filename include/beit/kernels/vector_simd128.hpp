// Four floats in a register of WebAssembly, for arithmetic.inl and the level's products.
#pragma once

#include <beit/cpu/target.hpp>

#if BEIT_WASM_KERNELS

#include <wasm_simd128.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <beit/core/index.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The interface that VectorAvx2 documents, on WebAssembly's vectors. There is no fused multiply-add: fma rounds twice.
struct VectorSimd128 {
  /// Types of their own for the two, where v128_t is one for all.
  typedef float Floats __attribute__((vector_size(16)));
  typedef std::int32_t Integers __attribute__((vector_size(16)));
  static constexpr Index lanes = 4;

  static Floats zero() { return Floats{}; }
  static Floats set(float x) { return Floats{x, x, x, x}; }
  static Floats load(const float* p) { return load_first<Floats>(p); }
  static Floats load(const float* p, Index count) {
    if (count >= lanes) return load(p);
    float first[lanes] = {};
    if (count > 0) std::memcpy(first, p, static_cast<std::size_t>(count) * sizeof(float));
    return load(first);
  }
  static void store(float* p, Floats x) { std::memcpy(p, &x, sizeof(x)); }
  static void store(float* p, Floats x, Index count) { store_first(x, count, p); }
  static Floats first(Floats x, Index count, Floats rest) {
    const auto limit = static_cast<std::int32_t>(std::clamp<Index>(count, 0, lanes));
    const v128_t mask = wasm_i32x4_gt(wasm_i32x4_splat(limit), wasm_i32x4_const(0, 1, 2, 3));
    return floats(wasm_v128_bitselect(bits(x), bits(rest), mask));
  }

  static Floats add(Floats a, Floats b) { return a + b; }
  static Floats sub(Floats a, Floats b) { return a - b; }
  static Floats mul(Floats a, Floats b) { return a * b; }
  static Floats div(Floats a, Floats b) { return a / b; }
  static Floats fma(Floats a, Floats b, Floats c) { return a * b + c; }
  static Floats fnma(Floats a, Floats b, Floats c) { return c - a * b; }
  /// The pseudo-minimum and -maximum are one instruction on every processor; NaNs are not asked for.
  static Floats max(Floats a, Floats b) { return floats(wasm_f32x4_pmax(bits(b), bits(a))); }
  static Floats min(Floats a, Floats b) { return floats(wasm_f32x4_pmin(bits(b), bits(a))); }
  static Floats abs(Floats x) { return floats(wasm_f32x4_abs(bits(x))); }
  static Floats round(Floats x) { return floats(wasm_f32x4_nearest(bits(x))); }
  static Floats times_power_of_two(Floats x, Floats n) {
    return floats(wasm_i32x4_add(bits(x), wasm_i32x4_shl(wasm_i32x4_trunc_sat_f32x4(bits(n)), 23)));
  }
  static float sum(Floats x) { return (x[0] + x[2]) + (x[1] + x[3]); }
  static float largest(Floats x) { return std::max(std::max(x[0], x[2]), std::max(x[1], x[3])); }

  static Floats difference(const std::int32_t* a, const std::int32_t* b) {
    return floats(wasm_f32x4_convert_i32x4(wasm_i32x4_sub(wasm_v128_load(a), wasm_v128_load(b))));
  }
  static void store_integers(Floats x, Index count, std::int16_t* p) { store_first(to_int16(x), count, p); }
  static void store_integers(Floats x, Index count, std::int8_t* p) {
    const v128_t integers = to_int16(x);
    store_first(wasm_i8x16_narrow_i16x8(integers, integers), count, p);
  }
  static void widen(const std::uint16_t* in, float* out) {
    store(out, floats(wasm_i32x4_shl(wasm_u32x4_load16x4(in), 16)));
  }
  static void widen(const std::int8_t* in, std::int16_t* out) {
    wasm_v128_store64_lane(out, wasm_i16x8_extend_low_i8x16(wasm_v128_load32_zero(in)), 0);
  }

  /// p += x, and p = x, for sums of either type.
  template <typename Vector, typename Sum>
  static void add_to(Sum* p, Vector x) {
    put(p, load_first<Vector>(p) + x);
  }
  template <typename Vector, typename Sum>
  static void put(Sum* p, Vector x) {
    std::memcpy(p, &x, sizeof(x));
  }

  using Bits = v128_t;
  typedef std::uint32_t Words __attribute__((vector_size(16)));
  using PairSums = Words;
  static constexpr std::uint8_t bias = 0;

  static Bits load_bits(const void* p) { return wasm_v128_load(p); }
  static void store_strip(std::uint8_t* p, Bits x) { wasm_v128_store(p, x); }
  static Bits broadcast(const std::int32_t* p) { return wasm_v128_load32_splat(p); }
  static Bits repeat(const void* p) { return load_bits(p); }
  static Bits load_blocks(const std::uint8_t* const* p, Index at) { return load_bits(p[0] + at); }
  static void store_interleaved(const std::uint8_t* const* p, Index at, std::uint8_t* out) {
    const v128_t ab_low = zip_bytes(p[0] + at, p[1] + at), ab_high = zip_bytes(p[0] + at + 8, p[1] + at + 8);
    const v128_t cd_low = zip_bytes(p[2] + at, p[3] + at), cd_high = zip_bytes(p[2] + at + 8, p[3] + at + 8);
    wasm_v128_store(out, wasm_i16x8_shuffle(ab_low, cd_low, 0, 8, 1, 9, 2, 10, 3, 11));
    wasm_v128_store(out + 16, wasm_i16x8_shuffle(ab_low, cd_low, 4, 12, 5, 13, 6, 14, 7, 15));
    wasm_v128_store(out + 32, wasm_i16x8_shuffle(ab_high, cd_high, 0, 8, 1, 9, 2, 10, 3, 11));
    wasm_v128_store(out + 48, wasm_i16x8_shuffle(ab_high, cd_high, 4, 12, 5, 13, 6, 14, 7, 15));
  }
  static Bits shuffle(Bits x, Bits order) { return wasm_i8x16_swizzle(x, order); }
  static Bits zip_low(Bits a, Bits b) { return wasm_i32x4_shuffle(a, b, 0, 4, 1, 5); }
  static Bits zip_high(Bits a, Bits b) { return wasm_i32x4_shuffle(a, b, 2, 6, 3, 7); }
  static Bits zip_low_pairs(Bits a, Bits b) { return wasm_i64x2_shuffle(a, b, 0, 2); }
  static Bits zip_high_pairs(Bits a, Bits b) { return wasm_i64x2_shuffle(a, b, 1, 3); }
  static Bits even_bytes(Bits x) { return wasm_v128_and(x, wasm_i16x8_const_splat(0xff)); }
  static Bits odd_bytes(Bits x) { return wasm_u16x8_shr(x, 8); }
  static PairSums add_products(PairSums sums, Bits x, Bits y) {
    return sums + reinterpret_cast<Words>(wasm_i32x4_dot_i16x8(x, y));
  }
  static Words lane_sums(PairSums sums) { return sums; }
  static void store_block(Integers x, Integers y, Integers z, std::uint8_t* out) {
    const v128_t bytes = wasm_u8x16_narrow_i16x8(narrow(x, y), narrow(z, z));
    wasm_v128_store32_lane(out, bytes, 0);
    wasm_v128_store32_lane(out + 16, bytes, 1);
    wasm_v128_store32_lane(out + 32, bytes, 2);
  }
  static void store_transposed(Integers x, Index count, std::uint8_t* out) {
    const v128_t numbers = narrow(x, x);
    store_first(wasm_u8x16_narrow_i16x8(numbers, numbers), count, out);
  }

 private:
  /// Takes 8 bytes at a and 8 at b in turn.
  static v128_t zip_bytes(const std::uint8_t* a, const std::uint8_t* b) {
    return wasm_i8x16_shuffle(wasm_v128_load64_zero(a), wasm_v128_load64_zero(b), 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5,
                              21, 6, 22, 7, 23);
  }
  static v128_t narrow(Integers x, Integers y) {
    return wasm_i16x8_narrow_i32x4(reinterpret_cast<v128_t>(x), reinterpret_cast<v128_t>(y));
  }
  static v128_t bits(Floats x) { return reinterpret_cast<v128_t>(x); }
  static Floats floats(v128_t x) { return reinterpret_cast<Floats>(x); }
  template <typename Vector, typename T>
  static Vector load_first(const T* p) {
    Vector x;
    std::memcpy(&x, p, sizeof(x));
    return x;
  }
  static v128_t to_int16(Floats x) {
    const v128_t integers = wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(bits(x)));
    return wasm_i16x8_narrow_i32x4(integers, integers);
  }
  template <typename Vector, typename T>
  static void store_first(Vector x, Index count, T* p) {
    if (count >= lanes) {
      std::memcpy(p, &x, lanes * sizeof(T));
    } else if (count > 0) {
      std::memcpy(p, &x, static_cast<std::size_t>(count) * sizeof(T));
    }
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

#endif  // BEIT_WASM_KERNELS

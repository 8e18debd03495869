// kernels::Tiles in plain C++, exact to the bit, so that kernels on tile registers are tested on machines without them.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include <beit/kernels/amx_tiles.hpp>

#if BEIT_AMX_KERNELS

namespace beit_test {

class SoftwareTiles {
 public:
  using Index = beit::Index;
  template <int Number>
  using TileRegister = beit::kernels::TileRegister<Number>;
  static constexpr Index rows = 16, row_bytes = 64;

  template <int T>
  void zero(TileRegister<T>) {
    std::memset(data_[T], 0, sizeof(data_[T]));
  }
  template <int T>
  void load(TileRegister<T>, const void* from, Index stride) {
    for (Index i = 0; i < rows; ++i) {
      std::memcpy(data_[T][i], static_cast<const std::uint8_t*>(from) + i * stride, row_bytes);
    }
  }
  template <int T>
  void load_once(TileRegister<T> tile, const void* from, Index stride) {
    load(tile, from, stride);
  }
  template <int T>
  void store(TileRegister<T>, void* to, Index stride) {
    for (Index i = 0; i < rows; ++i) {
      std::memcpy(static_cast<std::uint8_t*>(to) + i * stride, data_[T][i], row_bytes);
    }
  }
  template <int C, int A, int B>
  void multiply_bfloat16(TileRegister<C>, TileRegister<A>, TileRegister<B>) {
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < 16; ++j) {
        float even = 0, odd = 0;
        for (Index k = 0; k < 16; ++k) {
          const std::uint32_t a = element<std::uint32_t>(A, i, k), b = element<std::uint32_t>(B, k, j);
          even = flush(std::fma(flush(as_float(a << 16)), flush(as_float(b << 16)), even));
          odd = flush(std::fma(flush(as_float(a & 0xFFFF0000)), flush(as_float(b & 0xFFFF0000)), odd));
        }
        set(C, i, j, flush(flush(element<float>(C, i, j)) + flush(even + odd)));
      }
    }
  }
  template <int C, int A, int B>
  void multiply_bytes(TileRegister<C>, TileRegister<A>, TileRegister<B>) {
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < 16; ++j) {
        std::int32_t sum = element<std::int32_t>(C, i, j);
        for (Index k = 0; k < 64; ++k) sum += data_[A][i][k] * static_cast<std::int8_t>(data_[B][k / 4][j * 4 + k % 4]);
        set(C, i, j, sum);
      }
    }
  }

 private:
  static float as_float(std::uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof(x));
    return x;
  }
  static float flush(float x) { return std::abs(x) < std::numeric_limits<float>::min() ? std::copysign(0.0f, x) : x; }
  template <typename T>
  T element(int tile, Index row, Index column) const {
    T x;
    std::memcpy(&x, data_[tile][row] + column * 4, sizeof(x));
    return x;
  }
  template <typename T>
  void set(int tile, Index row, Index column, T x) {
    std::memcpy(data_[tile][row] + column * 4, &x, sizeof(x));
  }

  std::uint8_t data_[8][rows][row_bytes] = {};
};

}  // namespace beit_test

#endif  // BEIT_AMX_KERNELS

// The portable level: plain C++ that every compiler turns into its baseline's vectors. It is the oracle of the other
// levels.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <beit/core/half.hpp>
#include <beit/core/version.hpp>
#include <beit/kernels/attention.hpp>
#include <beit/kernels/gemm.hpp>
#include <beit/kernels/packing.hpp>
#include <beit/kernels/types.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

#if defined(__GNUC__)
/// Four floats in one register of the baseline (SSE2, NEON, ...).
typedef float Float4 __attribute__((vector_size(16)));
inline Float4 broadcast4(float x) { return Float4{x, x, x, x}; }
#else
struct Float4 {
  float lane[4];
  friend Float4 operator*(Float4 a, Float4 b) {
    for (int i = 0; i < 4; ++i) a.lane[i] *= b.lane[i];
    return a;
  }
  friend Float4 operator+(Float4 a, Float4 b) {
    for (int i = 0; i < 4; ++i) a.lane[i] += b.lane[i];
    return a;
  }
  Float4& operator+=(Float4 b) { return *this = *this + b; }
};
inline Float4 broadcast4(float x) { return Float4{{x, x, x, x}}; }
#endif

inline Float4 load4(const float* p) {
  Float4 x;
  std::memcpy(&x, p, sizeof(x));
  return x;
}
inline void store4(float* p, Float4 x) { std::memcpy(p, &x, sizeof(x)); }

/// 0.5 * x * (1 + erf(x / sqrt(2))): torch.nn.GELU(approximate="none").
inline float gelu(float x) { return 0.5f * x * (1.0f + std::erf(x * 0.70710678118654752440f)); }

/// One float, with the interface that VectorAvx2 documents, for winograd.inl.
struct VectorPortable {
  using Floats = float;
  static constexpr Index lanes = 1;

  static float zero() { return 0; }
  static float set(float x) { return x; }
  static float load(const float* p) { return *p; }
  static float load(const float* p, Index) { return *p; }
  static void store(float* p, float x) { *p = x; }
  static void store(float* p, float x, Index) { *p = x; }
  static float add(float a, float b) { return a + b; }
  static float sub(float a, float b) { return a - b; }
  static float mul(float a, float b) { return a * b; }
  static float max(float a, float b) { return a > b ? a : b; }
  static float fma(float a, float b, float c) { return a * b + c; }
};

struct Portable {
  using Packing = PortablePacking;
  static constexpr Index MR = 4;

  /// Uses 8 registers of sums, 2 of the panel and 1 of a: all that 16 registers hold without spilling.
  struct Float {
    using A = float;
    using Stored = float;
    using Panel = float;
    using Sum = float;
    static constexpr Index MR = Portable::MR, NR = 8, group = 1, chunk = 256;

    static void tile(const float* a, const float* panel, Index groups, float* sum, bool add, Index, Index) {
      Float4 s00{}, s01{}, s10{}, s11{}, s20{}, s21{}, s30{}, s31{};
      for (Index i = 0; i < groups; ++i, a += MR, panel += NR) {
        const Float4 b0 = load4(panel), b1 = load4(panel + 4);
        Float4 x = broadcast4(a[0]);
        s00 += x * b0;
        s01 += x * b1;
        x = broadcast4(a[1]);
        s10 += x * b0;
        s11 += x * b1;
        x = broadcast4(a[2]);
        s20 += x * b0;
        s21 += x * b1;
        x = broadcast4(a[3]);
        s30 += x * b0;
        s31 += x * b1;
      }
      const auto put = [add](float* p, Float4 s0, Float4 s1) {
        store4(p, add ? load4(p) + s0 : s0);
        store4(p + 4, add ? load4(p + 4) + s1 : s1);
      };
      put(sum, s00, s01);
      put(sum + NR, s10, s11);
      put(sum + 2 * NR, s20, s21);
      put(sum + 3 * NR, s30, s31);
    }
  };

  /// Weights are bfloat16, the arithmetic is float.
  struct Bfloat16 : Float {
    using Stored = std::uint16_t;
  };

  struct Int8 {
    using A = std::int16_t;
    using Stored = std::int8_t;
    using Panel = std::int16_t;
    using Sum = std::int32_t;
    static constexpr Index MR = Portable::MR, NR = 8, group = 2, chunk = 128;

    static void tile(const A* a, const Panel* panel, Index groups, Sum* sum, bool add, Index, Index) {
      if (!add) std::fill_n(sum, MR * NR, 0);
      for (Index row = 0; row < MR; ++row, a += group, sum += NR) {
        for (Index i = 0; i < groups; ++i) {
          const A* x = a + i * MR * group;
          const Panel* b = panel + i * NR * group;
          for (Index j = 0; j < NR; ++j) sum[j] += x[0] * b[2 * j] + x[1] * b[2 * j + 1];
        }
      }
    }
  };

  // The functions of kernels/arithmetic.inl, exact where those approximate.

  static void finish(const float* x, Index ldx, Index rows, Index columns, const float* bias, const float* scale,
                     Epilogue epilogue, bool, float* to, Index ldo) {
    for (Index i = 0; i < rows; ++i, x += ldx, to += ldo) {
      for (Index j = 0; j < columns; ++j) {
        const float y = bias == nullptr ? x[j] : x[j] + bias[j];
        switch (epilogue) {
          case Epilogue::bias:
            to[j] = y;
            break;
          case Epilogue::bias_gelu:
            to[j] = gelu(y);
            break;
          case Epilogue::bias_relu:
            to[j] = std::max(y, 0.0f);
            break;
          case Epilogue::bias_residual:
            to[j] += scale == nullptr ? y : scale[j] * y;
            break;
        }
      }
    }
  }

  template <Index NR>
  static void dequantise(const std::int32_t* sum, Index rows, const float* row_scale, const float* column_scale,
                         const std::int32_t* offset, float* out) {
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < NR; ++j, ++sum, ++out) {
        *out = static_cast<float>(*sum - offset[j]) * (row_scale[i] * column_scale[j]);
      }
    }
  }

  static float largest_magnitude(const float* x, Index k) {
    float largest = 0;
    for (Index i = 0; i < k; ++i) largest = std::max(largest, std::abs(x[i]));
    return largest;
  }

  static void quantise(const float* x, Index count, Index padded, float inverse, std::int16_t* out) {
    for (Index i = 0; i < count; ++i) out[i] = static_cast<std::int16_t>(round_to_int(x[i] * inverse));
    std::fill(out + count, out + padded, std::int16_t{0});
  }

  template <Index count>
  static std::int32_t quantise_weights(const float* x, float inverse, std::int8_t* out) {
    std::int32_t sum = 0;
    for (Index i = 0; i < count; ++i) {
      const std::int32_t number = round_to_int(x[i] * inverse);
      out[i] = static_cast<std::int8_t>(number);
      sum += number;
    }
    return sum;
  }

  template <Index count>
  static void round_weights(const float* x, std::uint16_t* out) {
    for (Index i = 0; i < count; ++i) out[i] = round_to_bfloat16(x[i]);
  }

  static void widen(const std::uint16_t* in, Index count, float* out) {
    for (Index i = 0; i < count; ++i) out[i] = bfloat16_to_float(in[i]);
  }
  static void widen(const std::int8_t* in, Index count, std::int16_t* out) { std::copy_n(in, count, out); }

  static void copy_with_overrun(const float* x, Index count, float* out) { std::copy_n(x, count, out); }

  static void add_scaled(float* x, const float* y, float scale, Index count) {
    for (Index i = 0; i < count; ++i) x[i] += scale * y[i];
  }

  static void multiply(float* x, float scale, Index count) {
    for (Index i = 0; i < count; ++i) x[i] *= scale;
  }

  template <bool>
  static float softmax_row(float* x, Index n) {
    const float largest = *std::max_element(x, x + n);
    double sum = 0;
    for (Index i = 0; i < n; ++i) {
      x[i] = std::exp(x[i] - largest);
      sum += static_cast<double>(x[i]);
    }
    return static_cast<float>(1 / sum);
  }

  static void layer_norm(const float* x, Index ldx, Index rows, Index c, const float* weight, const float* bias,
                         float eps, float* out, Index ldo) {
    for (Index row = 0; row < rows; ++row, x += ldx, out += ldo) {
      double sum = 0;
      for (Index i = 0; i < c; ++i) sum += static_cast<double>(x[i]);
      const double mean = sum / static_cast<double>(c);
      double squares = 0;
      for (Index i = 0; i < c; ++i) squares += (static_cast<double>(x[i]) - mean) * (static_cast<double>(x[i]) - mean);
      const double scale = 1 / std::sqrt(squares / static_cast<double>(c) + static_cast<double>(eps));
      for (Index i = 0; i < c; ++i) {
        out[i] = static_cast<float>((static_cast<double>(x[i]) - mean) * scale) * weight[i] + bias[i];
      }
    }
  }

  using V = VectorPortable;
#define BEIT_TARGET
#include <beit/kernels/winograd.inl>
#undef BEIT_TARGET

  static constexpr Kernels table() { return {Isa::portable, &layer_norm, nullptr, &winograd}; }

  template <Precision precision>
  static constexpr PrecisionKernels precision_kernels() {
    return {PackedGemm<Portable, StepFor<precision, Float, Bfloat16, Int8>>::kernel(),
            FusedAttention<Portable, Float>::kernel()};
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

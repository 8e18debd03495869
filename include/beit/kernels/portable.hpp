// The portable level: plain C++ that every compiler turns into its baseline's vectors, and the oracle of the
// other levels.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include <beit/core/half.hpp>
#include <beit/core/version.hpp>
#include <beit/kernels/attention.hpp>
#include <beit/kernels/gemm.hpp>
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

struct Portable {
  // 8 registers of sums, 2 of the panel and 1 of a: all that 16 registers hold without spilling.
  static constexpr Index MR = 4, NR = 8, k_chunk = 256;

  static void tile(const float* a, Index lda, Index rows, const float* panel, Index k, float* sum) {
    // Rows that aren't there repeat the last one: every row goes through the same instructions, so its
    // bits don't depend on how many there are.
    const float* a0 = a;
    const float* a1 = a + std::min<Index>(1, rows - 1) * lda;
    const float* a2 = a + std::min<Index>(2, rows - 1) * lda;
    const float* a3 = a + std::min<Index>(3, rows - 1) * lda;
    Float4 s00{}, s01{}, s10{}, s11{}, s20{}, s21{}, s30{}, s31{};
    for (Index i = 0; i < k; ++i, panel += NR) {
      const Float4 b0 = load4(panel), b1 = load4(panel + 4);
      Float4 x = broadcast4(a0[i]);
      s00 += x * b0;
      s01 += x * b1;
      x = broadcast4(a1[i]);
      s10 += x * b0;
      s11 += x * b1;
      x = broadcast4(a2[i]);
      s20 += x * b0;
      s21 += x * b1;
      x = broadcast4(a3[i]);
      s30 += x * b0;
      s31 += x * b1;
    }
    const auto add = [](float* p, Float4 s0, Float4 s1) {
      store4(p, load4(p) + s0);
      store4(p + 4, load4(p + 4) + s1);
    };
    add(sum, s00, s01);
    add(sum + NR, s10, s11);
    add(sum + 2 * NR, s20, s21);
    add(sum + 3 * NR, s30, s31);
  }

  static void widen(const std::uint16_t* in, Index count, float* out) {
    for (Index i = 0; i < count; ++i) out[i] = bfloat16_to_float(in[i]);
  }

  static void finish(const float* sum, const float* bias, const float* scale, Epilogue epilogue, Index rows,
                     Index columns, float* out, Index ldo) {
    for (Index i = 0; i < rows; ++i, sum += NR, out += ldo) {
      for (Index j = 0; j < columns; ++j) {
        const float x = bias == nullptr ? sum[j] : sum[j] + bias[j];
        switch (epilogue) {
          case Epilogue::bias:
            out[j] = x;
            break;
          case Epilogue::bias_gelu:
            out[j] = gelu(x);
            break;
          case Epilogue::bias_residual:
            out[j] += scale == nullptr ? x : scale[j] * x;
            break;
        }
      }
    }
  }

  static float softmax_row(float* x, Index n) {
    const float largest = *std::max_element(x, x + n);
    double sum = 0;
    for (Index i = 0; i < n; ++i) {
      x[i] = std::exp(x[i] - largest);
      sum += x[i];
    }
    return static_cast<float>(1 / sum);
  }

  static void layer_norm(const float* x, Index ldx, Index rows, Index c, const float* weight, const float* bias,
                         float eps, float* out, Index ldo) {
    for (Index row = 0; row < rows; ++row, x += ldx, out += ldo) {
      double sum = 0;
      for (Index i = 0; i < c; ++i) sum += x[i];
      const double mean = sum / static_cast<double>(c);
      double squares = 0;
      for (Index i = 0; i < c; ++i) squares += (x[i] - mean) * (x[i] - mean);
      const double scale = 1 / std::sqrt(squares / static_cast<double>(c) + eps);
      for (Index i = 0; i < c; ++i) {
        out[i] = static_cast<float>((x[i] - mean) * scale) * weight[i] + bias[i];
      }
    }
  }

  static void mean_rows(const float* x, Index ldx, Index rows, Index c, float* out) {
    constexpr Index chunk = 64;
    for (Index begin = 0; begin < c; begin += chunk) {
      const Index width = std::min(chunk, c - begin);
      double sums[chunk] = {};
      for (Index row = 0; row < rows; ++row) {
        for (Index i = 0; i < width; ++i) sums[i] += x[row * ldx + begin + i];
      }
      for (Index i = 0; i < width; ++i) out[begin + i] = static_cast<float>(sums[i] / static_cast<double>(rows));
    }
  }

  static constexpr Kernels table() {
    return {Isa::portable,
            PackedGemm<Portable, float>::kernel(),
            PackedGemm<Portable, std::uint16_t>::kernel(),
            &FusedAttention<Portable>::scratch,
            &FusedAttention<Portable>::run,
            &layer_norm,
            &mean_rows};
  }
};

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

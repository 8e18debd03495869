// What the kernels take: raw pointers and sizes. Letters as in the design: C embedding dim, N tokens, ...
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <beit/core/matrix.hpp>
#include <beit/core/version.hpp>
#include <beit/cpu/isa.hpp>

namespace beit::inline BEIT_ABI {

/// What the matrices of a model are stored and multiplied in. Sums, the residual stream, layer norm, softmax and GELU
/// are float in all of them.
enum class Precision {
  float32,     ///< Single precision, or on tiles its exact equivalent: three bfloat16 parts and six products.
  float_fast,  ///< On tiles two bfloat16 parts and three products, about 16 bits; elsewhere the same as float32.
  bfloat16,    ///< bfloat16 by bfloat16, or weights in bfloat16 and float products where the processor has no such.
  int8,        ///< Weights quantised per output channel, activations per token; attention as for bfloat16.
};

/// "float", ...: what the programs' --precision takes.
constexpr std::string_view precision_name(Precision precision) {
  constexpr std::string_view names[] = {"float", "float-fast", "bfloat16", "int8"};
  return names[static_cast<int>(precision)];
}

namespace kernels {

/// How the numbers of a row-major matrix lie in memory.
enum class Form {
  float32,     ///< float
  bfloat16,    ///< the upper half of a float
  bfloat16x2,  ///< a float as the sum of that many, as kernels/amx.hpp lays them out
  bfloat16x3,  ///< likewise
  int16,       ///< quantised: an integer in [-127, 127], and a scale a row
  uint8,       ///< quantised: such an integer plus 128, and a scale a row
};

constexpr Index form_bytes(Form form) {
  switch (form) {
    case Form::bfloat16x3:
      return 6;
    case Form::float32:
    case Form::bfloat16x2:
      return 4;
    case Form::bfloat16:
    case Form::int16:
      return 2;
    case Form::uint8:
      break;
  }
  return 1;
}

/// What a product does with a finished element `x` of a (m, n) result before it stores it.
enum class Epilogue {
  bias,           ///< out = x + bias
  bias_gelu,      ///< out = gelu(x + bias), the exact form with erf
  bias_residual,  ///< out += scale * (x + bias); layer scale and residual
};

/// out (m, n) = epilogue(a (m, k) x transpose(w (n, k))): timm's and torch's Linear.
struct Gemm {
  const void* a = nullptr;  // (m, k) in the kernel's form, rows lda elements apart; finite from k to kernel.depth(k)
  Index lda = 0;
  const float* a_scale = nullptr;     // (m,), with quantised forms
  const std::byte* packed = nullptr;  // what GemmKernel::pack made of w (n, k)
  const float* bias = nullptr;        // (n,), or null for zeros
  const float* scale = nullptr;       // (n,), or null for ones; with bias_residual only
  void* out = nullptr;                // (m, n), rows ldo elements apart
  Index ldo = 0;
  Form out_form = Form::float32;  // or bfloat16 where a kernel of the table reads that; not with bias_residual
  Index out_padding = 0;          // columns after n that become zero, with bfloat16: the next product's depth
  Index m = 0, n = 0, k = 0;
  Epilogue epilogue = Epilogue::bias;
};

/// A product in one precision. `run` computes rows [row0, row1) and columns [column0, column1) of the result, so that
/// threads share one product; blocks begin at multiples of row_tile and column_tile.
/// An element's bits depend on its row of a and its column of w alone, never on the block or on m.
struct GemmKernel {
  Form form;             // of a
  Index depth_multiple;  // rows of a are padded to it
  Index row_tile;        // rows that are computed together
  Index row_block;       // most rows of one call, a multiple of row_tile
  Index column_tile;     // columns of a packed panel
  Index (*panel_bytes)(Index k);
  void (*pack)(const float* w, Index n, Index k, std::byte* packed);
  /// x (rows, k) to `form`: out (rows, depth(k)), rows ldo elements apart, scale (rows,). Null where form is float32.
  void (*encode)(const float* x, Index ldx, Index rows, Index k, void* out, Index ldo, float* scale);
  void (*run)(const Gemm& gemm, Index row0, Index row1, Index column0, Index column1);

  Index depth(Index k) const { return (k + depth_multiple - 1) / depth_multiple * depth_multiple; }
  /// Where the panel of column `n`, a multiple of column_tile, begins in what pack writes for w (.., k).
  Index packed_offset(Index n, Index k) const { return n / column_tile * panel_bytes(k); }
  /// Bytes that pack writes for w (n, k).
  Index packed_bytes(Index n, Index k) const { return packed_offset(n + column_tile - 1, k); }
  /// Whether another product's epilogue can write this one's a.
  bool reads_products() const { return form == Form::float32 || form == Form::bfloat16; }
};

/// One head of one image: softmax(scale * q k^T + bias) v.
struct Attention {
  const void* q = nullptr;  // (N, D) in the kernel's form, rows ld elements apart
  const void* k = nullptr;  // (N, D), likewise
  const void* v = nullptr;  // (N, D), likewise
  Index ld = 0;
  void* out = nullptr;  // (N, D) in out_form, rows ldo elements apart
  Index ldo = 0;
  Form out_form = Form::float32;  // or the kernel's form
  Index n = 0, d = 0;
  float scale = 1;
  const float* bias_table = nullptr;  // (R,) of this head as nn/relative_position_bias.hpp keeps it, or null
  Size grid{};                        // patches; with bias_table, N = 1 + grid.area()
};

struct AttentionKernel {
  Form form;  // of q, k and v
  /// Bytes of scratch, aligned to 64, that `run` needs for N tokens of D.
  Index (*scratch_bytes)(Index n, Index d);
  void (*run)(const Attention& attention, std::byte* scratch);
};

/// The kernels of one precision.
struct Arithmetic {
  GemmKernel gemm;
  AttentionKernel attention;
};

/// Every hot function at one level.
struct Kernels {
  Isa isa;
  Arithmetic float32, float_fast, bfloat16, int8;
  /// out = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias for each of `rows` rows of C; out may be x.
  void (*layer_norm)(const float* x, Index ldx, Index rows, Index c, const float* weight, const float* bias, float eps,
                     float* out, Index ldo);
  /// out (C,) = mean of `rows` rows of x.
  void (*mean_rows)(const float* x, Index ldx, Index rows, Index c, float* out);

  const Arithmetic& of(Precision precision) const {
    switch (precision) {
      case Precision::float_fast:
        return float_fast;
      case Precision::bfloat16:
        return bfloat16;
      case Precision::int8:
        return int8;
      case Precision::float32:
        break;
    }
    return float32;
  }
};

/// How many panels of `tile` columns n columns make.
constexpr Index panels(Index n, Index tile) { return (n + tile - 1) / tile; }

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

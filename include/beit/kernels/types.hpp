// The arguments of kernels: raw pointers and sizes. docs/internals.md explains the letters: C embedding dim, N tokens,
// ...
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <beit/core/matrix.hpp>
#include <beit/core/precision.hpp>
#include <beit/core/version.hpp>
#include <beit/cpu/isa.hpp>
#include <beit/kernels/activations.hpp>
#include <beit/kernels/strips.hpp>
#include <beit/kernels/winograd.hpp>

namespace beit::inline BEIT_ABI {

namespace kernels {

/// The work of a product on a finished element `x` of its (m, n) result before it stores it.
enum class Epilogue {
  bias,           ///< out = x + bias
  bias_gelu,      ///< out = gelu(x + bias), the form with erf; within 1e-4 if the result is then rounded to bfloat16 or
                  ///< int8
  bias_relu,      ///< out = max(x + bias, 0)
  bias_residual,  ///< out += scale * (x + bias), for layer scale and the residual
};

/// The arguments of a product: out (m, n) = epilogue(a (m, k) x transpose(w (n, k))), timm's and torch's Linear. The
/// result is floats, or activations in the layout of another kernel.
struct GemmCall {
  const Activations* a = nullptr;     // (m, k), encoded, in the kernel's layout
  const std::byte* packed = nullptr;  // w (n, k) as packed by GemmKernel::pack
  const float* bias = nullptr;        // (n,), or null for zeros
  const float* scale = nullptr;       // (n,), or null for ones; with bias_residual only
  const Activations* into = nullptr;  // (m, n), with a's segments, or null; not with bias_residual
  float* out = nullptr;               // the result if `into` is null: rows are ldo apart
  /// Where float sums go instead, if it isn't null, without bias, scale and epilogue: (panels of column_tile columns,
  /// padded rows of a, column_tile). `add`: they are added to what is there.
  float* sums = nullptr;
  bool add = false;
  Index ldo = 0;
  Index segment_stride = 0;  // elements of out from one segment's first row to the next one's
  Index n = 0;
  Epilogue epilogue = Epilogue::bias;
  /// Whether sums begin anew after 16 groups, for smaller rounding errors. Products on AMX tiles, whose errors are
  /// small, don't need it.
  bool short_sums = false;

  Index k() const { return a->columns; }
};

/// A product in one precision. `run` computes row tiles [tile0, tile1) of a and columns [column0, column1) of the
/// result, so that threads can share one product; columns begin at multiples of column_tile. An element's bits depend
/// only on its row of a and its column of w, never on the division into calls or on m.
struct GemmKernel {
  const Layout* layout;  // of a
  Index tile_step;       // the row tiles of a call begin at a multiple of it
  Index column_tile;     // columns of a packed panel
  Index (*panel_bytes)(Index k);
  void (*pack)(const float* w, Index n, Index k, std::byte* packed);
  /// The number of row tiles per call that makes the best use of the caches.
  Index (*tiles_per_call)(Index k);
  /// The bytes of scratch memory, aligned to 64, that a call with so many row tiles and columns needs.
  Index (*scratch_bytes)(Index tiles, Index columns, Index k);
  void (*run)(const GemmCall& gemm, Index tile0, Index tile1, Index column0, Index column1, std::byte* scratch);

  /// The offset of the panel of column `n`, a multiple of column_tile, in the packed w (.., k).
  Index packed_offset(Index n, Index k) const { return n / column_tile * panel_bytes(k); }
  /// The bytes that pack writes for w (n, k).
  Index packed_bytes(Index n, Index k) const { return packed_offset(n + column_tile - 1, k); }
};

/// The arguments of attention for one head of one image: softmax(scale * q k^T + bias) v.
struct AttentionCall {
  const Activations* qkv = nullptr;  // (B*N, 3*A*D) in the kernel's layout: all queries, then keys, then values
  const Activations* out = nullptr;  // (B*N, A*D)
  Index segment = 0, head = 0, heads = 1;
  float scale = 1;
  const float* bias_table = nullptr;  // (R,), this head's table of nn/relative_position_bias.hpp, or null
  Size grid{};                        // patches; with bias_table, N = 1 + grid.area()

  Index tokens() const { return qkv->segment_rows; }
  Index head_dim() const { return out->columns / heads; }
  Index column() const { return head * head_dim(); }
};

struct AttentionKernel {
  const Layout* layout;  // of qkv
  /// The bytes of scratch memory, aligned to 64, that `run` needs for N tokens of D.
  Index (*scratch_bytes)(Index n, Index d);
  void (*run)(const AttentionCall& attention, std::byte* scratch);
};

/// The kernels of one precision.
struct PrecisionKernels {
  GemmKernel gemm;
  AttentionKernel attention;
};

/// The kernels of one level, except those of PrecisionKernels, which differ by precision (precision_kernels_of).
struct Kernels {
  Isa isa;
  /// out = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias for each of `rows` rows of C; out may be x.
  void (*layer_norm)(const float* x, Index ldx, Index rows, Index c, const float* weight, const float* bias, float eps,
                     float* out, Index ldo);
  /// The steps of the resize; null if the level resizes by plain loops (image/detail/resize_portable.hpp).
  const StripKernels* strips;
  /// The transforms of Winograd's convolution.
  const WinogradKernels* winograd;
};

/// Selects a level's product for a precision.
template <Precision precision, typename Float, typename Bfloat16, typename Int8>
using StepFor = std::conditional_t<precision == Precision::bfloat16, Bfloat16,
                                   std::conditional_t<precision == Precision::int8, Int8, Float>>;

}  // namespace kernels

}  // namespace beit::inline BEIT_ABI

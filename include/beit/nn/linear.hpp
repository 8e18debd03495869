// A matrix product with packed weights: timm's and torch's nn.Linear.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

#include <Eigen/Core>

#include <beit/core/matrix.hpp>
#include <beit/core/thread_pool.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/kernels.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// A weight type: Precision::float_fast.
struct FloatFast {};

/// What a weight type stands for: `precision`, and `Edge`, the weight type of the first and last layers, which cost
/// little and of whose rounding the rest of the model makes most.
template <typename Weight>
struct WeightTraits;

template <>
struct WeightTraits<float> {
  static constexpr Precision precision = Precision::float32;
  using Edge = float;
};

template <>
struct WeightTraits<FloatFast> {
  static constexpr Precision precision = Precision::float_fast;
  using Edge = FloatFast;
};

template <>
struct WeightTraits<Eigen::bfloat16> {
  static constexpr Precision precision = Precision::bfloat16;
  using Edge = Eigen::bfloat16;
};

template <>
struct WeightTraits<std::int8_t> {
  static constexpr Precision precision = Precision::int8;
  using Edge = Eigen::bfloat16;
};

/// The kernels of a weight type.
template <typename Weight>
const kernels::Arithmetic& arithmetic() {
  return kernel_table().of(WeightTraits<Weight>::precision);
}

/// y = x W^T + b, with what follows done on the way to memory. W (outputs, inputs) is packed once, here, on the
/// threads of the weights' scope.
template <typename Weight>
class Linear {
 public:
  Linear() = default;
  /// Reads the parameter `name` of this shape: outputs, and dimensions whose product is the inputs. `bias` is
  /// (outputs,) or empty.
  Linear(const WeightScope& weights, std::string_view name, std::initializer_list<Index> shape,
         AlignedBuffer<float> bias)
      : bias_(std::move(bias)), outputs_(*shape.begin()) {
    weights.read(name, shape, 0, 0, nullptr);  // checks the shape before memory of that size is asked for
    for (const Index* n = shape.begin() + 1; n != shape.end(); ++n) inputs_ *= *n;
    packed_ = AlignedBuffer<std::byte>(kernel().packed_bytes(outputs_, inputs_));
    // By some panels at a time: there is never a second copy of the whole matrix.
    const Index tile = kernel().column_tile,
                block = std::clamp<Index>(outputs_, 1, tile * std::max<Index>(1, 64 / tile));
    const Index blocks = kernels::panels(outputs_, block);
    const Executor& executor = weights.executor();
    AlignedBuffer<float> rows(std::min(blocks, executor.size()) * block * inputs_);  // (slots, block, inputs)
    executor.for_each(blocks, [&](Index item, Index slot) {
      const Index row = item * block, count = std::min(block, outputs_ - row);
      float* const own = rows.data() + slot * block * inputs_;
      weights.read(name, shape, row * inputs_, count * inputs_, own);
      kernel().pack(own, count, inputs_, packed_.data() + kernel().packed_offset(row, inputs_));
    });
  }
  /// Reads "weight" (outputs, inputs) and "bias" (outputs,).
  Linear(const WeightScope& weights, Index outputs, Index inputs)
      : Linear(weights, "weight", {outputs, inputs}, weights.get("bias", {outputs})) {}

  Index inputs() const { return inputs_; }
  Index outputs() const { return outputs_; }

  /// What multiplies: it says in which form x is read.
  static const kernels::GemmKernel& kernel() { return arithmetic<Weight>().gemm; }

  /// out = x W^T + b; x (m, inputs), out (m, outputs).
  void forward(const Operand& x, const Executor& executor, Rows out) const {
    run(x, executor, kernels::Epilogue::bias, nullptr, as_operand(out));
  }
  /// The same to an operand in float32, or in bfloat16 where a kernel reads that.
  void forward(const Operand& x, const Executor& executor, const Operand& out) const {
    run(x, executor, kernels::Epilogue::bias, nullptr, out);
  }
  /// out = gelu(x W^T + b), likewise.
  void forward_gelu(const Operand& x, const Executor& executor, const Operand& out) const {
    run(x, executor, kernels::Epilogue::bias_gelu, nullptr, out);
  }
  /// out += scale * (x W^T + b); scale (outputs,), or null for 1.
  void forward_residual(const Operand& x, const float* scale, const Executor& executor, Rows out) const {
    run(x, executor, kernels::Epilogue::bias_residual, scale, as_operand(out));
  }

 private:
  static Operand as_operand(Rows& out) { return {out.data(), out.outerStride(), nullptr, out.rows(), out.cols()}; }

  void run(const Operand& x, const Executor& executor, kernels::Epilogue epilogue, const float* scale,
           const Operand& out) const {
    const kernels::GemmKernel& kernel = Linear::kernel();
    const kernels::Gemm product{.a = x.data,
                                .lda = x.ld,
                                .a_scale = x.scale,
                                .packed = packed_.data(),
                                .bias = bias_.data(),
                                .scale = scale,
                                .out = out.data,
                                .ldo = out.ld,
                                .out_form = out.form,
                                .out_padding = out.form == kernels::Form::float32 ? 0 : out.ld - outputs_,
                                .m = x.rows,
                                .n = outputs_,
                                .k = inputs_,
                                .epilogue = epilogue};
    // A task's rows of x stay in a cache while its panels pass by: as many as one call takes, and many columns, where
    // threads are few; fewer until every thread has some tasks.
    const auto tasks = [&](Index rows, Index columns) {
      return kernels::panels(product.m, rows) * kernels::panels(outputs_, columns);
    };
    const auto halved = [](Index n, Index tile) { return std::max(tile, n / 2 / tile * tile); };
    const Index wanted = 3 * executor.size();
    Index rows = kernel.row_block, columns = kernel.column_tile * std::max<Index>(1, 128 / kernel.column_tile);
    while (columns > kernel.column_tile && tasks(rows, columns) < wanted) columns = halved(columns, kernel.column_tile);
    while (rows > kernel.row_tile && tasks(rows, columns) < wanted) rows = halved(rows, kernel.row_tile);
    const Index column_blocks = kernels::panels(outputs_, columns);
    executor.for_each(tasks(rows, columns), [&](Index item, Index) {
      const Index row = item / column_blocks * rows, column = item % column_blocks * columns;
      kernel.run(product, row, std::min(row + rows, product.m), column, std::min(column + columns, outputs_));
    });
  }

  AlignedBuffer<std::byte> packed_;
  AlignedBuffer<float> bias_;  // (outputs,) or empty
  Index outputs_ = 0;
  Index inputs_ = 1;
};

}  // namespace beit::inline BEIT_ABI

// A matrix product with packed weights: timm's and torch's nn.Linear.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

#include <Eigen/Core>

#include <beit/core/executor.hpp>
#include <beit/core/matrix.hpp>
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

/// Of float.
template <>
struct WeightTraits<float> {
  static constexpr Precision precision = Precision::float32;  ///< Its name.
  using BoundaryWeight = float;                               ///< What the first and the last layer are in.
};

/// Of FloatFast.
template <>
struct WeightTraits<FloatFast> {
  static constexpr Precision precision = Precision::float_fast;  ///< Its name.
  using BoundaryWeight = FloatFast;                              ///< What the first and the last layer are in.
};

/// Of Eigen::bfloat16.
template <>
struct WeightTraits<Eigen::bfloat16> {
  static constexpr Precision precision = Precision::bfloat16;  ///< Its name.
  using BoundaryWeight = Eigen::bfloat16;                      ///< What the first and the last layer are in.
};

/// Of std::int8_t.
template <>
struct WeightTraits<std::int8_t> {
  static constexpr Precision precision = Precision::int8;  ///< Its name.
  using BoundaryWeight = Eigen::bfloat16;                  ///< What the first and the last layer are in.
};

/// Those of a level's kernels that multiply a weight type.
template <typename Weight>
const kernels::PrecisionKernels& precision_kernels(const Kernels& kernels) {
  return kernels::precision_kernels_of<WeightTraits<Weight>::precision>(kernels.isa);
}

/// y = x W^T + b, with what follows done on the way to memory. W (outputs, inputs) is packed once, here, on the
/// threads of the weights' scope, as the gemm of `kernels` reads it, which must outlive the layer.
template <typename Weight>
class Linear {
 public:
  Linear() = default;
  /// Reads the parameter `name` of this shape: outputs, and dimensions whose product is the inputs. `bias` is
  /// (outputs,) or empty.
  Linear(const Kernels& kernels, const WeightScope& weights, std::string_view name, std::initializer_list<Index> shape,
         AlignedBuffer<float> bias)
      : Linear(kernels, weights, name, shape, std::move(bias), [](float*, Index) {}) {}
  /// The same with `arrange(float* rows, Index count)`: puts the inputs of `count` rows (count, inputs), as they were
  /// read, into the order in which x has them. On several threads at once.
  template <typename Arrange>
  Linear(const Kernels& kernels, const WeightScope& weights, std::string_view name, std::initializer_list<Index> shape,
         AlignedBuffer<float> bias, const Arrange& arrange)
      : kernel_(&precision_kernels<Weight>(kernels).gemm), bias_(std::move(bias)), outputs_(*shape.begin()) {
    weights.read(name, shape, 0, 0, nullptr);  // checks the shape before memory of that size is asked for
    for (const Index* n = shape.begin() + 1; n != shape.end(); ++n) inputs_ *= *n;
    packed_ = AlignedBuffer<std::byte>(kernel().packed_bytes(outputs_, inputs_));
    // By some panels at a time: there is never a second copy of the whole matrix.
    const Index tile = kernel().column_tile,
                block = std::clamp<Index>(outputs_, 1, tile * std::max<Index>(1, 64 / tile));
    const Index blocks = detail::ceil_div(outputs_, block);
    const Executor& executor = weights.executor();
    AlignedBuffer<float> rows(std::min(blocks, executor.size()) * block * inputs_);  // (slots, block, inputs)
    executor.for_each(blocks, [&](Index item, Index slot) {
      const Index row = item * block, count = std::min(block, outputs_ - row);
      float* const own = rows.data() + slot * block * inputs_;
      weights.read(name, shape, row * inputs_, count * inputs_, own);
      arrange(own, count);
      kernel().pack(own, count, inputs_, packed_.data() + kernel().packed_offset(row, inputs_));
    });
  }
  /// Reads "weight" (outputs, inputs) and "bias" (outputs,).
  Linear(const Kernels& kernels, const WeightScope& weights, Index outputs, Index inputs)
      : Linear(kernels, weights, "weight", {outputs, inputs}, weights.get("bias", {outputs})) {}

  Index inputs() const { return inputs_; }    ///< k.
  Index outputs() const { return outputs_; }  ///< n.

  /// What multiplies.
  const kernels::GemmKernel& kernel() const { return *kernel_; }

  /// Memory for x of the calls below: (segments * segment_rows, inputs).
  Activations input(Workspace::Frame& frame, Index segments, Index segment_rows, bool partial_writes = false) const {
    return frame.activations(*kernel().layout, segments, segment_rows, inputs_, partial_writes);
  }

  /// out = x W^T + b; x (m, inputs), out (m, outputs).
  void forward(const Activations& x, Workspace& workspace, Rows out) const {
    run(x, workspace, {.epilogue = kernels::Epilogue::bias}, out);
  }
  /// The same to what another product or attention reads, with the segments of x.
  void forward(const Activations& x, Workspace& workspace, const Activations& out) const {
    run(x, workspace, {.into = &out, .epilogue = kernels::Epilogue::bias});
    encode_staged(out, workspace.executor());
  }
  /// out = gelu(x W^T + b), to what another product reads.
  void forward_gelu(const Activations& x, Workspace& workspace, const Activations& out) const {
    run(x, workspace, {.into = &out, .epilogue = kernels::Epilogue::bias_gelu});
    encode_staged(out, workspace.executor());
  }
  /// out += scale * (x W^T + b); scale (outputs,), or null for 1. Of out's rows each of x's segments has
  /// `out_segment_rows`, of which the last segment_rows are written; 0: as many as it has itself.
  void forward_residual(const Activations& x, const float* scale, Workspace& workspace, Rows out,
                        Index out_segment_rows = 0) const {
    run(x, workspace, {.scale = scale, .epilogue = kernels::Epilogue::bias_residual}, out, out_segment_rows);
  }

 private:
  void run(const Activations& x, Workspace& workspace, kernels::GemmCall product, Rows& out,
           Index out_segment_rows = 0) const {
    if (out_segment_rows == 0) out_segment_rows = x.segment_rows;
    product.ldo = out.outerStride();
    product.segment_stride = out_segment_rows * product.ldo;
    product.out = out.data() + (out_segment_rows - x.segment_rows) * product.ldo;
    run(x, workspace, product);
  }

  void run(const Activations& x, Workspace& workspace, kernels::GemmCall product) const {
    const kernels::GemmKernel& kernel = *kernel_;
    product.a = &x;
    product.packed = packed_.data();
    product.bias = bias_.data();
    product.n = outputs_;
    // A task's rows of x stay in a cache while its panels pass by: as many as one call takes, and many columns, where
    // threads are few; fewer until every thread has some tasks.
    const Executor& executor = workspace.executor();
    const Index step = kernel.tile_step, tile = kernel.column_tile;
    const auto tasks = [&](Index tiles, Index columns) {
      return detail::ceil_div(x.tiles(), tiles) * detail::ceil_div(outputs_, columns);
    };
    const auto halved = [](Index n, Index unit) { return std::max(unit, n / 2 / unit * unit); };
    const Index wanted = 3 * executor.size();
    Index tiles = std::max(step, kernel.tiles_per_call(inputs_) / step * step);
    Index columns = tile * std::max<Index>(1, 256 / tile);
    while (columns > tile && tasks(tiles, columns) < wanted) columns = halved(columns, tile);
    while (tiles > step && tasks(tiles, columns) < wanted) tiles = halved(tiles, step);
    // Somewhat fewer columns where threads would end more evenly: tasks are taken one by one, and the last ones count.
    const auto longest = [&](Index width) { return detail::ceil_div(tasks(tiles, width), executor.size()) * width; };
    for (Index width = columns - tile, least = columns / 2; executor.size() > 1 && width >= least; width -= tile) {
      if (width > 0 && longest(width) < longest(columns)) columns = width;
    }
    const Index column_blocks = detail::ceil_div(outputs_, columns);
    Workspace::Frame frame(workspace);
    const Index scratch_size = detail::round_up_to_cache_line(kernel.scratch_bytes(tiles, columns, inputs_));
    std::byte* const scratch = frame.bytes(std::min(executor.size(), tasks(tiles, columns)) * scratch_size);
    executor.for_each(tasks(tiles, columns), [&](Index item, Index slot) {
      const Index first = item / column_blocks * tiles, column = item % column_blocks * columns;
      kernel.run(product, first, std::min(first + tiles, x.tiles()), column, std::min(column + columns, outputs_),
                 scratch + slot * scratch_size);
    });
  }

  const kernels::GemmKernel* kernel_ = nullptr;
  AlignedBuffer<std::byte> packed_;
  AlignedBuffer<float> bias_;  // (outputs,) or empty
  Index outputs_ = 0;
  Index inputs_ = 1;
};

}  // namespace beit::inline BEIT_ABI

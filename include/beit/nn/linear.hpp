// Matrix products with packed weights: timm's and torch's nn.Linear.
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
#include <beit/nn/task_shape.hpp>
#include <beit/nn/workspace.hpp>

namespace beit::inline BEIT_ABI {

/// The weight type of Precision::float_fast.
struct FloatFast {};

/// The properties of a weight type: its `precision`, and `BoundaryWeight`, the weight type of the first and the last
/// layer, which cost little and whose rounding matters most.
template <typename Weight>
struct WeightTraits;

/// The traits of float.
template <>
struct WeightTraits<float> {
  static constexpr Precision precision = Precision::float32;  ///< Precision of products.
  using BoundaryWeight = float;                               ///< Weight type of the first and the last layer.
};

/// The traits of FloatFast.
template <>
struct WeightTraits<FloatFast> {
  static constexpr Precision precision = Precision::float_fast;  ///< Precision of products.
  using BoundaryWeight = FloatFast;                              ///< Weight type of the first and the last layer.
};

/// The traits of Eigen::bfloat16.
template <>
struct WeightTraits<Eigen::bfloat16> {
  static constexpr Precision precision = Precision::bfloat16;  ///< Precision of products.
  using BoundaryWeight = Eigen::bfloat16;                      ///< Weight type of the first and the last layer.
};

/// The traits of std::int8_t.
template <>
struct WeightTraits<std::int8_t> {
  static constexpr Precision precision = Precision::int8;  ///< Precision of products.
  using BoundaryWeight = Eigen::bfloat16;                  ///< Weight type of the first and the last layer.
};

/// The kernels of a level for a weight type.
template <typename Weight>
[[nodiscard]] const kernels::PrecisionKernels& precision_kernels(const Kernels& kernels) {
  return kernels::precision_kernels_of<WeightTraits<Weight>::precision>(kernels.isa);
}

/// y = x W^T + b, with a fused epilogue. The constructor packs W (outputs, inputs) for the gemm of `kernels`, on the
/// threads of the weights' scope. `kernels` must outlive the layer.
template <typename Weight>
class Linear {
 public:
  Linear() = default;
  /// Reads the parameter `name`. Its `shape` is the number of outputs, then dimensions whose product is the number of
  /// inputs. `bias` is (outputs,) or empty.
  Linear(const Kernels& kernels, const WeightScope& weights, std::string_view name, std::initializer_list<Index> shape,
         AlignedBuffer<float> bias)
      : Linear(kernels, weights, name, shape, std::move(bias), [](float*, Index) {}) {}
  /// Also calls `arrange(float* rows, Index count)`, on several threads at once: it puts the inputs of rows (count,
  /// inputs), as they were read, into the order in which x has them.
  template <typename Arrange>
  Linear(const Kernels& kernels, const WeightScope& weights, std::string_view name, std::initializer_list<Index> shape,
         AlignedBuffer<float> bias, const Arrange& arrange)
      : Linear(kernels, weights.executor(), checked_outputs(weights, name, shape), inputs_of(shape), std::move(bias),
               [&](Index row, Index count, float* rows) {
                 const Index inputs = inputs_of(shape);
                 weights.read(name, shape, row * inputs, count * inputs, rows);
                 arrange(rows, count);
               }) {}
  /// Calls `read_rows(Index row, Index count, float* rows)` for W, on several threads at once: it writes rows (count,
  /// inputs) of W from `row` on. `bias` is (outputs,) or empty.
  template <typename ReadRows>
  Linear(const Kernels& kernels, const Executor& executor, Index outputs, Index inputs, AlignedBuffer<float> bias,
         const ReadRows& read_rows)
      : kernel_(&precision_kernels<Weight>(kernels).gemm),
        packed_(kernel().packed_bytes(outputs, inputs)),
        bias_(std::move(bias)),
        outputs_(outputs),
        inputs_(inputs) {
    // Packs some panels at a time, so that there is never a second copy of the whole matrix.
    const Index tile = kernel().column_tile,
                rows_per_task = std::clamp<Index>(outputs_, 1, tile * std::max<Index>(1, 64 / tile));
    const Index tasks = detail::ceil_div(outputs_, rows_per_task);
    const Index slot_size = rows_per_task * inputs_;
    AlignedBuffer<float> rows(std::min(tasks, executor.size()) * slot_size);
    executor.for_each(tasks, [&](Index item, Index slot) {
      const Index row = item * rows_per_task, count = std::min(rows_per_task, outputs_ - row);
      float* const own = rows.data() + slot * slot_size;
      read_rows(row, count, own);
      kernel().pack(own, count, inputs_, packed_.data() + kernel().packed_offset(row, inputs_));
    });
  }
  /// Reads "weight" (outputs, inputs) and "bias" (outputs,).
  Linear(const Kernels& kernels, const WeightScope& weights, Index outputs, Index inputs)
      : Linear(kernels, weights, "weight", {outputs, inputs}, weights.get("bias", {outputs})) {}

  Index inputs() const { return inputs_; }    ///< The columns of x.
  Index outputs() const { return outputs_; }  ///< The columns of y.

  /// The kernel that multiplies.
  const kernels::GemmKernel& kernel() const { return *kernel_; }

  /// Takes memory for the calls' x (segments * segment_rows, inputs) from the frame. `partial_writes`: some writes
  /// won't have all columns of their rows.
  [[nodiscard]] Activations input(Workspace::Frame& frame, Index segments, Index segment_rows,
                                  bool partial_writes = false) const {
    return frame.activations(*kernel().layout, segments, segment_rows, inputs_, partial_writes);
  }

  /// out = x W^T + b; x (m, inputs), out (m, outputs). With another epilogue than bias_residual, for which there is
  /// forward_residual, out = gelu or relu of this.
  void forward(const Activations& x, Workspace& workspace, Rows out,
               kernels::Epilogue epilogue = kernels::Epilogue::bias) const {
    run(x, workspace, {.epilogue = epilogue}, out);
  }
  /// out = x W^T + b in the layout that another product or attention reads, with the segments of x.
  void forward(const Activations& x, Workspace& workspace, const Activations& out) const {
    run(x, workspace, {.into = &out, .epilogue = kernels::Epilogue::bias});
  }
  /// out = gelu(x W^T + b) in the layout that another product reads.
  void forward_gelu(const Activations& x, Workspace& workspace, const Activations& out) const {
    run(x, workspace, {.into = &out, .epilogue = kernels::Epilogue::bias_gelu});
  }
  /// out += scale * (x W^T + b); scale (outputs,), or null for 1. A segment has `out_segment_rows` rows in out, of
  /// which the last x.segment_rows are written; 0 means as many as in x.
  void forward_residual(const Activations& x, const float* scale, Workspace& workspace, Rows out,
                        Index out_segment_rows = 0) const {
    run(x, workspace, {.scale = scale, .epilogue = kernels::Epilogue::bias_residual}, out, out_segment_rows);
  }

 private:
  /// Checks the shape, before memory for it is allocated.
  static Index checked_outputs(const WeightScope& weights, std::string_view name, std::initializer_list<Index> shape) {
    weights.read(name, shape, 0, 0, nullptr);
    return *shape.begin();
  }
  static Index inputs_of(std::initializer_list<Index> shape) {
    Index inputs = 1;
    for (const Index* n = shape.begin() + 1; n != shape.end(); ++n) inputs *= *n;
    return inputs;
  }

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
    const Executor& executor = workspace.executor();
    encode_staged(x, executor);
    const detail::TaskShape task = detail::task_shape(kernel, x.tiles(), outputs_, inputs_, executor.size());
    const Index tasks_across = detail::ceil_div(outputs_, task.columns);
    const Index tasks = detail::ceil_div(x.tiles(), task.tiles) * tasks_across;
    Workspace::Frame frame(workspace);
    const Index scratch_size = detail::round_up_to_cache_line(kernel.scratch_bytes(task.tiles, task.columns, inputs_));
    std::byte* const scratch = frame.bytes(std::min(executor.size(), tasks) * scratch_size);
    executor.for_each(tasks, [&](Index item, Index slot) {
      const Index tile = item / tasks_across * task.tiles, column = item % tasks_across * task.columns;
      kernel.run(product, tile, std::min(tile + task.tiles, x.tiles()), column,
                 std::min(column + task.columns, outputs_), scratch + slot * scratch_size);
    });
  }

  const kernels::GemmKernel* kernel_ = nullptr;
  AlignedBuffer<std::byte> packed_;
  AlignedBuffer<float> bias_;  // (outputs,) or empty
  Index outputs_ = 0;
  Index inputs_ = 0;
};

}  // namespace beit::inline BEIT_ABI

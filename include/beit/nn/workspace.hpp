// Memory and threads for one forward pass.
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <type_traits>

#include <beit/core/matrix.hpp>
#include <beit/core/thread_pool.hpp>
#include <beit/core/version.hpp>
#include <beit/kernels/types.hpp>

namespace beit::inline BEIT_ABI {

/// A matrix in the form in which a kernel reads it; a view.
struct Operand {
  void* data = nullptr;  // (rows, cols) of form, rows ld elements apart, zero from cols to the kernel's depth
  Index ld = 0;
  float* scale = nullptr;  // (rows,), with quantised forms
  Index rows = 0, cols = 0;
  kernels::Form form = kernels::Form::float32;

  void* row(Index i) const { return static_cast<std::byte*>(data) + i * ld * kernels::form_bytes(form); }
  Operand middle_rows(Index begin, Index count) const {
    return {row(begin), ld, scale == nullptr ? nullptr : scale + begin, count, cols, form};
  }
  /// As an Eigen view, where form is float32.
  Rows floats() const {
    return Eigen::Map<RowMajorMatrix, 0, Eigen::OuterStride<>>(static_cast<float*>(data), rows, cols,
                                                               Eigen::OuterStride<>(ld));
  }
};

/// What one thread of calls needs beside a model: buffers that grow to the largest batch seen and are then
/// reused, and the pool that the work is taken to. A model is constant and may serve many threads at once,
/// each with a workspace of its own.
class Workspace {
 public:
  /// The intermediate results that live at the same time.
  enum Buffer { patches, tokens, normed, qkv, context, hidden, encoded, pooled, scratch, buffer_count };

  /// On the default pool.
  Workspace() : Workspace(default_thread_pool()) {}
  /// On `pool`, which must outlive the workspace: a ThreadPool, or any type with size() and parallel_for.
  template <typename Pool>
  requires(!std::same_as<std::remove_cv_t<Pool>, Workspace>) explicit Workspace(Pool& pool) : executor_(pool) {}

  const Executor& executor() const { return executor_; }

  /// At least `size` bytes, uninitialised; the pointer holds until a larger size is asked for.
  std::byte* bytes(Buffer buffer, Index size) {
    AlignedBuffer<std::byte>& memory = buffers_[buffer];
    if (memory.size() < size) {
      memory = AlignedBuffer<std::byte>();
      memory = AlignedBuffer<std::byte>(size);
    }
    return memory.data();
  }

  /// As bytes, but `size` floats.
  float* floats(Buffer buffer, Index size) {
    return reinterpret_cast<float*>(bytes(buffer, size * static_cast<Index>(sizeof(float))));
  }

  /// A (rows, cols) view of `buffer` without padding.
  Rows rows(Buffer buffer, Index row_count, Index cols) {
    return Eigen::Map<RowMajorMatrix>(floats(buffer, row_count * cols), row_count, cols);
  }

  /// `buffer` as (rows, cols) in a form whose rows are padded to `depth` elements, and scales where it is quantised.
  Operand operand(Buffer buffer, Index row_count, Index cols, Index depth, kernels::Form form) {
    const Index size = (row_count * depth * kernels::form_bytes(form) + 63) / 64 * 64;
    std::byte* memory = bytes(buffer, size + row_count * static_cast<Index>(sizeof(float)));
    return {memory, depth, reinterpret_cast<float*>(memory + size), row_count, cols, form};
  }
  /// As what `kernel` multiplies.
  Operand operand(Buffer buffer, Index row_count, Index cols, const kernels::GemmKernel& kernel) {
    return operand(buffer, row_count, cols, kernel.depth(cols), kernel.form);
  }

 private:
  Executor executor_;
  std::array<AlignedBuffer<std::byte>, buffer_count> buffers_;
};

/// x as what `kernel` multiplies: x itself where that is float, or encoded to `buffer`, by all threads.
inline Operand encode(Rows x, const kernels::GemmKernel& kernel, Workspace& workspace, Workspace::Buffer buffer) {
  if (kernel.encode == nullptr) return {x.data(), x.outerStride(), nullptr, x.rows(), x.cols()};
  const Operand out = workspace.operand(buffer, x.rows(), x.cols(), kernel);
  constexpr Index block = 16;
  workspace.executor().for_each((x.rows() + block - 1) / block, [&](Index item, Index) {
    const Index row = item * block, rows = std::min(block, x.rows() - row);
    kernel.encode(x.data() + row * x.outerStride(), x.outerStride(), rows, x.cols(), out.row(row), out.ld,
                  out.scale + row);
  });
  return out;
}

}  // namespace beit::inline BEIT_ABI

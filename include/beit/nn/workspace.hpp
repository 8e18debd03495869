// Memory and threads for one forward pass.
#pragma once

#include <array>
#include <concepts>
#include <type_traits>

#include <beit/core/matrix.hpp>
#include <beit/core/thread_pool.hpp>
#include <beit/core/version.hpp>

namespace beit::inline BEIT_ABI {

/// What one thread of calls needs beside a model: buffers that grow to the largest batch seen and are then
/// reused, and the pool that the work is taken to. A model is constant and may serve many threads at once,
/// each with a workspace of its own.
class Workspace {
 public:
  /// The intermediate results that live at the same time.
  enum Buffer { patches, tokens, normed, qkv, context, hidden, pooled, scratch, buffer_count };

  /// On the default pool.
  Workspace() : Workspace(default_thread_pool()) {}
  /// On `pool`, which must outlive the workspace: a ThreadPool, or any type with size() and parallel_for.
  template <typename Pool>
  requires(!std::same_as<std::remove_cv_t<Pool>, Workspace>) explicit Workspace(Pool& pool) : executor_(pool) {}

  const Executor& executor() const { return executor_; }

  /// At least `size` floats, uninitialised; the pointer holds until a larger size is asked for.
  float* get(Buffer buffer, Index size) {
    AlignedBuffer<float>& memory = buffers_[buffer];
    if (memory.size() < size) {
      memory = AlignedBuffer<float>();
      memory = AlignedBuffer<float>(size);
    }
    return memory.data();
  }

  /// A (rows, cols) view of `buffer` without padding.
  Rows rows(Buffer buffer, Index row_count, Index cols) {
    return Eigen::Map<RowMajorMatrix>(get(buffer, row_count * cols), row_count, cols);
  }

 private:
  Executor executor_;
  std::array<AlignedBuffer<float>, buffer_count> buffers_;
};

}  // namespace beit::inline BEIT_ABI

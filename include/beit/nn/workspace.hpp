// Memory and threads for one forward pass.
#pragma once

#include <algorithm>
#include <cstddef>
#include <new>
#include <vector>

#include <beit/core/matrix.hpp>
#include <beit/core/thread_pool.hpp>
#include <beit/core/version.hpp>
#include <beit/kernels/activations.hpp>

namespace beit::inline BEIT_ABI {

using kernels::Activations;

/// What one thread of calls needs beside a model: memory that grows to the largest batch seen and is then reused, and
/// the pool that the work is taken to. A model is constant and may serve many threads at once, each with a workspace of
/// its own.
class Workspace {
 public:
  /// On the default pool.
  Workspace() : Workspace(default_thread_pool()) {}
  /// On `pool`, a WorkPool, which must outlive the workspace.
  explicit Workspace(const Executor& pool) : executor_(pool) {}
  /// No frame may be open.
  Workspace(Workspace&&) = default;
  /// No frame may be open in either.
  Workspace& operator=(Workspace&&) = default;

  /// The threads that work is done on.
  const Executor& executor() const { return executor_; }

  /// Memory for as long as the frame lives. Frames end in the opposite order of their beginning, as calls do.
  class [[nodiscard]] Frame {
   public:
    /// Opens one on top of those that are open.
    explicit Frame(Workspace& workspace) : workspace_(workspace), block_(workspace.block_), used_(workspace.used_) {
      ++workspace.frames_;
    }
    ~Frame() {
      workspace_.block_ = block_;
      workspace_.used_ = used_;
      if (--workspace_.frames_ == 0) workspace_.join_blocks();
    }
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

    /// Uninitialised, aligned to a cache line.
    std::byte* bytes(Index size) { return workspace_.take(size); }
    /// The same in floats.
    float* floats(Index size) { return reinterpret_cast<float*>(bytes(size * static_cast<Index>(sizeof(float)))); }
    /// (rows, cols) without padding.
    Rows rows(Index rows, Index cols) { return Eigen::Map<RowMajorMatrix>(floats(rows * cols), rows, cols); }
    /// (segments * segment_rows, columns) as `layout` keeps them; `partial_writes`: some writes will have less than all
    /// columns.
    Activations activations(const kernels::Layout& layout, Index segments, Index segment_rows, Index columns,
                            bool partial_writes = false) {
      std::byte* const memory = bytes(Activations::bytes(layout, segments, segment_rows, columns, partial_writes));
      return Activations::on(layout, memory, segments, segment_rows, columns, partial_writes);
    }

   private:
    Workspace& workspace_;
    std::size_t block_;
    Index used_;
  };

 private:
  /// From the first block that has room; what is in a block before that is lost until the frame ends.
  std::byte* take(Index size) {
    size = detail::round_up_to_cache_line(size);
    for (; block_ < blocks_.size(); ++block_, used_ = 0) {
      if (blocks_[block_].size() - used_ >= size) break;
    }
    if (block_ == blocks_.size()) add_block(std::max<Index>(size, 64));
    std::byte* const memory = blocks_[block_].data() + used_;
    used_ += size;
    return memory;
  }

  void add_block(Index size) { blocks_.emplace_back(size); }

  /// One block in the place of many, so that the next call finds room for all it needs.
  void join_blocks() noexcept {
    if (blocks_.size() < 2) return;
    Index total = 0;
    for (const AlignedBuffer<std::byte>& block : blocks_) total += block.size();
    blocks_.clear();
    try {
      add_block(total);
    } catch (const std::bad_alloc&) {  // the next call asks for what it needs
    }
  }

  Executor executor_;
  std::vector<AlignedBuffer<std::byte>> blocks_;
  std::size_t block_ = 0;  // in use, up to used_
  Index used_ = 0;
  Index frames_ = 0;
};

/// Once all of `x` is written: does what is left to make it what its kernel reads, on all threads.
inline void encode_staged(const Activations& x, const Executor& executor) {
  if (x.completes()) executor.for_each(x.tiles(), [&](Index t, Index) { x.complete(x.tile(t)); });
}

/// Writes x (m, k), row after row, segment after segment, on all threads.
inline void write_rows(const ConstRows& x, const Activations& out, const Executor& executor) {
  executor.for_each(out.tiles(), [&](Index t, Index) {
    const Activations::RowTile tile = out.tile(t);
    const Index row = tile.segment * out.segment_rows + tile.row;
    out.write(tile, x.data() + row * x.outerStride(), x.outerStride());
  });
}

}  // namespace beit::inline BEIT_ABI

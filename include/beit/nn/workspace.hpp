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

/// The memory and the thread pool of one caller. The memory grows to the largest batch seen and is then reused. A model
/// is constant and may serve many callers at once, each with its own workspace.
class Workspace {
 public:
  /// Runs work on the default pool.
  Workspace() : Workspace(default_thread_pool()) {}
  /// Runs work on `pool`, a WorkPool, which must outlive the workspace.
  explicit Workspace(const Executor& pool) : executor_(pool) {}
  /// No frame may be open.
  Workspace(Workspace&&) = default;
  /// No frame may be open in either.
  Workspace& operator=(Workspace&&) = default;

  /// The threads that run the work.
  const Executor& executor() const { return executor_; }

  /// Memory that is valid for as long as the frame lives. Frames end in the opposite order of their beginning, as calls
  /// do.
  class [[nodiscard]] Frame {
   public:
    /// Opens a frame on top of those that are open.
    explicit Frame(Workspace& workspace) : workspace_(workspace), slab_(workspace.slab_), used_(workspace.used_) {
      ++workspace.frames_;
    }
    ~Frame() {
      workspace_.slab_ = slab_;
      workspace_.used_ = used_;
      if (--workspace_.frames_ == 0) workspace_.join_slabs();
    }
    Frame(const Frame&) = delete;
    Frame& operator=(const Frame&) = delete;

    /// Takes `size` bytes, uninitialised, aligned to a cache line.
    std::byte* bytes(Index size) { return workspace_.take(size); }
    /// Takes `size` floats, uninitialised, aligned to a cache line.
    float* floats(Index size) { return reinterpret_cast<float*>(bytes(size * static_cast<Index>(sizeof(float)))); }
    /// Takes a matrix (rows, cols) without padding.
    Rows rows(Index rows, Index cols) { return Eigen::Map<RowMajorMatrix>(floats(rows * cols), rows, cols); }
    /// Takes activations (segments * segment_rows, columns) of a layout. `partial_writes`: some writes won't have all
    /// columns.
    Activations activations(const kernels::Layout& layout, Index segments, Index segment_rows, Index columns,
                            bool partial_writes = false) {
      std::byte* const memory = bytes(Activations::bytes(layout, segments, segment_rows, columns, partial_writes));
      return Activations::on(layout, memory, segments, segment_rows, columns, partial_writes);
    }

   private:
    Workspace& workspace_;
    std::size_t slab_;
    Index used_;
  };

 private:
  /// Takes memory from the first slab with room; the unused end of a skipped slab stays unused until the frame ends.
  std::byte* take(Index size) {
    size = detail::round_up_to_cache_line(size);
    for (; slab_ < slabs_.size(); ++slab_, used_ = 0) {
      if (slabs_[slab_].size() - used_ >= size) break;
    }
    if (slab_ == slabs_.size()) add_slab(std::max<Index>(size, 64));
    std::byte* const memory = slabs_[slab_].data() + used_;
    used_ += size;
    return memory;
  }

  void add_slab(Index size) { slabs_.emplace_back(size); }

  /// Replaces several slabs by one, so that the next call finds room for everything.
  void join_slabs() noexcept {
    if (slabs_.size() < 2) return;
    Index total = 0;
    for (const AlignedBuffer<std::byte>& slab : slabs_) total += slab.size();
    slabs_.clear();
    try {
      add_slab(total);
    } catch (const std::bad_alloc&) {  // the next call allocates what it needs
    }
  }

  Executor executor_;
  std::vector<AlignedBuffer<std::byte>> slabs_;
  std::size_t slab_ = 0;  // the slab in use, up to used_
  Index used_ = 0;
  Index frames_ = 0;
};

/// Encodes the rows of `x`, on all threads, if they were staged. What reads activations begins with this, so that what
/// writes them needs not end with it.
inline void encode_staged(const Activations& x, const Executor& executor) {
  if (x.staged != nullptr) executor.for_each(x.tiles(), [&](Index t, Index) { x.encode(x.tile(t)); });
}

/// Writes x (m, k), segment after segment, to `out`, on all threads.
inline void write_rows(const ConstRows& x, const Activations& out, const Executor& executor) {
  executor.for_each(out.tiles(), [&](Index t, Index) {
    const Activations::RowTile tile = out.tile(t);
    const Index row = tile.segment * out.segment_rows + tile.row;
    out.write(tile, x.data() + row * x.outerStride(), x.outerStride());
  });
}

}  // namespace beit::inline BEIT_ABI

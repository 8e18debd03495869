// Memory and threads for one forward pass.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include <beit/core/arena.hpp>
#include <beit/core/matrix.hpp>
#include <beit/core/progress.hpp>
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
  explicit Workspace(const Executor& pool) : executor_(pool), arenas_(static_cast<std::size_t>(executor_.size())) {}
  /// No frame may be open.
  Workspace(Workspace&&) = default;
  /// No frame may be open in either.
  Workspace& operator=(Workspace&&) = default;

  /// The threads that run the work.
  const Executor& executor() const { return executor_; }
  /// Memory for a task of executor().for_each, by the slot that for_each gives it.
  Arena& arena(Index slot) { return arenas_[static_cast<std::size_t>(slot)]; }

  /// Sets the function that calls with this workspace report to; an empty one ends that. It is called after the patch
  /// embedding, with 0 blocks done, and after each block of a model, and three times in a segmentation head; in
  /// DALL-E's tokenizer after what comes before the groups and after each group. Tokenizers and segmentation models
  /// compute images, or windows of one, one after the other: Progress counts each kind of step over all of them. It
  /// never falls during a call, and its total counts only what the call computes. After an exception of its own the
  /// workspace can be used again. It mustn't use the workspace.
  void on_progress(OnProgress callback) { on_progress_ = std::move(callback); }
  /// Reports that `done` of `total` steps of the kind `what` are done, in the part of the call that is being computed.
  void report(std::string_view what, Index done, Index total) const {
    if (on_progress_) on_progress_({what, part_ * total + done, parts_ * total});
  }

  /// One of the equal parts of a call, such as an image: while it lives, the steps that are reported are the part's.
  /// Parts may have parts.
  class [[nodiscard]] Part {
   public:
    /// Begins part number `part` of `parts`.
    Part(Workspace& workspace, Index part, Index parts)
        : workspace_(workspace), part_(workspace.part_), parts_(workspace.parts_) {
      workspace.part_ = part_ * parts + part;
      workspace.parts_ = parts_ * parts;
    }
    ~Part() {
      workspace_.part_ = part_;
      workspace_.parts_ = parts_;
    }
    Part(const Part&) = delete;
    Part& operator=(const Part&) = delete;

   private:
    Workspace& workspace_;
    Index part_, parts_;  // of the workspace before
  };

  /// Memory that is valid for as long as the frame lives. Frames end in the opposite order of their beginning, as calls
  /// do.
  class [[nodiscard]] Frame : public Arena::Frame {
   public:
    /// Opens a frame on top of those that are open.
    explicit Frame(Workspace& workspace) : Arena::Frame(workspace.arena_) {}

    /// Takes `size` floats, uninitialised, aligned to a cache line.
    float* floats(Index size) { return take<float>(size); }
    /// Takes a matrix (rows, cols) without padding.
    Rows rows(Index rows, Index cols) {
      return Eigen::Map<RowMajorMatrix>(floats(detail::memory_size({rows, cols})), rows, cols);
    }
    /// Takes activations (segments * segment_rows, columns) of a layout. `partial_writes`: some writes won't have all
    /// columns.
    [[nodiscard]] Activations activations(const kernels::Layout& layout, Index segments, Index segment_rows,
                                          Index columns, bool partial_writes = false) {
      detail::memory_size(
          {segments, detail::round_up(segment_rows, layout.row_tile), detail::round_up(columns, 64), 8});
      std::byte* const memory = bytes(Activations::bytes(layout, segments, segment_rows, columns, partial_writes));
      return Activations::on(layout, memory, segments, segment_rows, columns, partial_writes);
    }
  };

 private:
  Executor executor_;
  Arena arena_;                // memory of frames
  std::vector<Arena> arenas_;  // (slots,): memory of tasks
  OnProgress on_progress_;
  Index part_ = 0, parts_ = 1;  // the part that is being computed, and the number of all
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

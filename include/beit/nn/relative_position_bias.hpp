// The relative position bias of a block: timm.models.beit's Attention._get_rel_pos_bias and RelativePositionBias.
#pragma once

#include <algorithm>

#include <beit/core/aligned_buffer.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/relative_position.hpp>

namespace beit::inline BEIT_ABI {

/// The bias that is added to q k^T: a table with one number per offset between two patches and per head. It is stored
/// as (A, R) in the order of kernels/relative_position.hpp; R = (2*Gh-1)*(2*Gw-1) + 3.
class RelativePositionBias {
 public:
  /// No bias.
  RelativePositionBias() = default;
  /// No bias yet, for tokens of this grid of patches; add() adds tables.
  explicit RelativePositionBias(Size grid) : grid_(grid) {}

  /// Adds the table below `weights`: (R, A), in timm's order.
  void add(const WeightScope& weights, Index heads) {
    const Index count = kernels::relative_positions(grid_);
    const AlignedBuffer<float> table = weights.get("relative_position_bias_table", {count, heads});
    if (table_.size() == 0) {
      table_ = AlignedBuffer<float>(count * heads + kernels::relative_position_slack);
      std::fill_n(table_.data(), table_.size(), 0.0f);
    }
    for (Index i = 0; i < count; ++i) {
      for (Index head = 0; head < heads; ++head) {
        table_[head * count + kernels::compact_relative_position(grid_, i)] += table[i * heads + head];
      }
    }
  }

  /// The grid of patches.
  Size grid() const { return grid_; }
  /// The table of one head (R,), or null without a bias.
  const float* head(Index head) const {
    return table_.data() == nullptr ? nullptr : table_.data() + head * kernels::relative_positions(grid_);
  }

 private:
  Size grid_;
  AlignedBuffer<float> table_;  // (A, R), then kernels::relative_position_slack
};

}  // namespace beit::inline BEIT_ABI

// The relative position bias of a block: timm.models.beit's Attention._get_rel_pos_bias and RelativePositionBias.
#pragma once

#include <algorithm>

#include <beit/core/aligned_buffer.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/io/weights.hpp>
#include <beit/kernels/relative_position.hpp>

namespace beit::inline BEIT_ABI {

/// What is added to q k^T: a table with a number for each offset between two patches and each head.
/// Kept as (A, R) in the order of kernels/relative_position.hpp; R = (2*Gh-1)*(2*Gw-1) + 3.
class RelativePositionBias {
 public:
  /// No bias.
  RelativePositionBias() = default;
  /// None, for tokens of this grid of patches.
  explicit RelativePositionBias(Size grid) : grid_(grid) {}

  /// Adds the table under `weights`: (R, A), timm's order.
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

  /// Patches down and across.
  Size grid() const { return grid_; }
  /// The table of one head (R,), or null where there is no bias.
  const float* head(Index head) const {
    return table_.data() == nullptr ? nullptr : table_.data() + head * kernels::relative_positions(grid_);
  }

 private:
  Size grid_;
  AlignedBuffer<float> table_;  // (A, R), and kernels::relative_position_slack
};

}  // namespace beit::inline BEIT_ABI

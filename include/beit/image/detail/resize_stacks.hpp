// The resize down and then across, in stacks of 48 bytes of each row, on a level's steps (kernels/strips.hpp).
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <beit/core/arena.hpp>
#include <beit/core/index.hpp>
#include <beit/core/version.hpp>
#include <beit/image/detail/resize_strips.hpp>
#include <beit/image/detail/row_writer.hpp>
#include <beit/image/detail/taps.hpp>
#include <beit/image/image.hpp>
#include <beit/image/interpolation.hpp>
#include <beit/kernels/strips.hpp>

namespace beit::inline BEIT_ABI {
namespace detail {

inline constexpr Index stack_bytes = 3 * strip_rows;              // of each row
inline constexpr Index max_stacks_groups = 8 * max_strip_groups;  // 386 KiB for stacks that are made side by side

/// The pass down, 16 output rows at a time, for a window of rows that isn't empty. `taps.stride` is at most
/// max_strip_pixels.
class DownPass {
 public:
  /// Keeps its tables and its rows in the memory of `frame`.
  DownPass(const kernels::StripKernels& level, const ImageView& image, const Taps& taps, Arena::Frame& frame)
      : level_(level),
        image_(image),
        taps_(pack_taps(level, taps, 1, frame)),
        count_(taps.count),
        first_row_(taps.spans[0].first),
        last_row_(taps.spans[taps.count - 1].first + taps.spans[taps.count - 1].count - 1),
        row_bytes_(round_up(image.width * image.channels, stack_bytes)),
        rows_(frame.take<std::uint8_t>(strip_rows * row_bytes_)),
        stacks_(frame.take<std::uint8_t>(max_stacks_groups * kernels::strip_group_bytes)) {}

  /// Computes the output rows from `first` on, at most 16, and returns their number.
  Index run(Index first) const {
    const Index count = std::min(strip_rows, count_ - first);
    std::array<Chunk, strip_rows> chunks;
    const Index made = cut_chunks(taps_.spans + first, count, chunks.data());
    for (Index c = 0; c < made; ++c) run(chunks[static_cast<std::size_t>(c)], first);
    for (Index i = 0; level_.bias != 0 && i < count * row_bytes_; ++i) rows_[i] ^= level_.bias;
    return count;
  }

  /// Output row `i` of those that were computed last: (image's width, channels).
  const std::uint8_t* row(Index i) const { return rows_ + i * row_bytes_; }

 private:
  /// Computes the outputs of a chunk of those from `first` on.
  void run(const Chunk& chunk, Index first) const {
    const Index bytes = image_.width * image_.channels, whole = bytes / stack_bytes;
    const Index together = max_stacks_groups / chunk.groups;
    for (Index stack = 0; stack < whole; stack += together) {
      const Index count = std::min(together, whole - stack);
      for (Index g = 0; g < chunk.groups; ++g) {
        std::array<const std::uint8_t*, 4> rows = group_rows(chunk.first_group + g);
        for (const std::uint8_t*& row : rows) row += stack * stack_bytes;
        make(rows, g, chunk.groups, count);
      }
      weigh(chunk, first, stack, count);
    }
    if (whole * stack_bytes == bytes) return;
    // The last stack is made of copies, because it would read beyond the rows.
    for (Index g = 0; g < chunk.groups; ++g) {
      std::array<const std::uint8_t*, 4> rows = group_rows(chunk.first_group + g);
      std::array<std::array<std::uint8_t, stack_bytes>, 4> tails{};
      for (std::size_t t = 0; t < rows.size(); ++t) {
        std::copy_n(rows[t] + whole * stack_bytes, bytes - whole * stack_bytes, tails[t].data());
        rows[t] = tails[t].data();
      }
      make(rows, g, chunk.groups, 1);
    }
    weigh(chunk, first, whole, 1);
  }

  /// The source rows of a group; beyond the last row it is that one, whose weight is 0 there.
  std::array<const std::uint8_t*, 4> group_rows(Index group) const {
    std::array<const std::uint8_t*, 4> rows;
    for (std::size_t t = 0; t < rows.size(); ++t) {
      rows[t] = image_.row(std::min(first_row_ + 4 * group + static_cast<Index>(t), last_row_));
    }
    return rows;
  }

  /// Makes group `g` of `count` stacks, each of `groups`.
  void make(const std::array<const std::uint8_t*, 4>& rows, Index g, Index groups, Index count) const {
    level_.stack(rows.data(), count, groups * kernels::strip_group_bytes, stacks_ + g * kernels::strip_group_bytes);
  }

  /// Computes the chunk's outputs from `count` stacks, of which the first is stack `first_stack` of a row.
  void weigh(const Chunk& chunk, Index first, Index first_stack, Index count) const {
    for (Index s = 0; s < count; ++s) {
      const std::uint8_t* const stack = stacks_ + s * chunk.groups * kernels::strip_group_bytes;
      std::uint8_t* const to = rows_ + (first_stack + s) * stack_bytes;
      for (Index i = chunk.first; i < chunk.first + chunk.count; ++i) {
        const Span groups = taps_.spans[first + i];
        level_.across(stack + (groups.first - chunk.first_group) * kernels::strip_group_bytes, taps_.of(first + i),
                      groups.count, to + i * row_bytes_);
      }
    }
  }

  const kernels::StripKernels& level_;
  const ImageView& image_;
  PackedTaps taps_;
  Index count_;
  Index first_row_;
  Index last_row_;
  Index row_bytes_;
  std::uint8_t* rows_;    // (16, row_bytes)
  std::uint8_t* stacks_;  // (stacks that are made side by side, groups, 48, 4)
};

/// Resizes down, then across. The taps' windows aren't empty, and their strides are at most max_strip_pixels.
inline void resize_by_stacks(const kernels::StripKernels& level, const ImageView& image, const Taps& across,
                             const Taps& down, Arena& arena, RowWriter write) {
  Arena::Frame frame(arena);
  const DownPass down_pass(level, image, down, frame);
  const AcrossPass across_pass(level, across, frame);
  // The step down takes the rows out of a block: each has one tap, of weight 1.
  const Taps one_row = make_taps(strip_rows, strip_rows, {0, strip_rows}, Interpolation::box, frame);
  const PackedTaps one_row_packed = pack_taps(level, one_row, strip_rows / 4, frame);
  std::uint8_t* const block = frame.take<std::uint8_t>(across_pass.block_bytes());
  std::uint8_t* const out = frame.take<std::uint8_t>(across.count * 3);
  std::array<const std::uint8_t*, strip_rows> rows;
  for (Index y = 0; y < down.count; y += strip_rows) {
    const Index count = down_pass.run(y);
    for (Index r = 0; r < strip_rows; ++r) {
      rows[static_cast<std::size_t>(r)] = down_pass.row(std::min(r, count - 1));
    }
    across_pass.run(image, rows, block);
    for (Index r = 0; r < count; ++r) {
      level.down(&block, one_row_packed.of(r), 1, across.count * 3, out);
      write(y + r, out);
    }
  }
}

}  // namespace detail
}  // namespace beit::inline BEIT_ABI
